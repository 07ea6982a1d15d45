#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "engine/io/hdf5_internal.hpp"

/// Types of elements.
namespace gradloom::h5 {
namespace {

constexpr std::size_t kLargestElement = 16;  // long double

// IEEE 754's half, in the byte order of the float `like`; the library has no name for it.
hid_t half(hid_t like) {
  const hid_t type = H5Tcopy(like);
  H5Tset_fields(type, 15, 10, 5, 0, 10);
  H5Tset_size(type, 2);
  H5Tset_ebias(type, 15);
  return type;
}

// As h5py writes a bool.
hid_t boolean() {
  const hid_t type = H5Tenum_create(H5T_STD_I8LE);
  const signed char no = 0, yes = 1;
  H5Tenum_insert(type, "FALSE", &no);
  H5Tenum_insert(type, "TRUE", &yes);
  return type;
}

// h5py's bool: an enumeration of FALSE and TRUE over one byte.
bool is_boolean(hid_t type) { return H5Tget_nmembers(type) == 2 && H5Tget_size(type) == 1; }

TypeClass class_of(hid_t type) {
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
      return TypeClass::kInteger;
    case H5T_FLOAT:
      return TypeClass::kFloat;
    case H5T_ENUM:
      return is_boolean(type) ? TypeClass::kBoolean : TypeClass::kOther;
    case H5T_STRING:
      return TypeClass::kString;
    default:
      return TypeClass::kOther;
  }
}

// What is wrong with the type itself; empty where nothing is.
std::string_view type_objection(hid_t type) {
  switch (H5Tget_class(type)) {
    case H5T_COMPOUND:
      return "is of a compound type; store one plain data set for each member";
    case H5T_VLEN:
    case H5T_REFERENCE:
      return "holds elements of variable length; store numbers or fixed-length strings";
    case H5T_STRING:
      return H5Tis_variable_str(type) > 0 ? "holds strings of variable length; store fixed-length ones" : "";
    case H5T_ARRAY:
      return "is of an array type; store a data set of rows and columns";
    default:
      return "";
  }
}

}  // namespace

std::size_t bytes_of(NumberType type) {
  static constexpr std::array<std::size_t, kNumberTypes> kBytes{1, 1, 2, 2, 4, 4, 8, 8, 2, 4, 8, 1};
  return kBytes[static_cast<std::size_t>(type)];
}

std::string name_of(NumberType type) {
  static constexpr std::array<const char*, kNumberTypes> kNames{"int8",    "uint8",   "int16",   "uint16",
                                                                "int32",   "uint32",  "int64",   "uint64",
                                                                "float16", "float32", "float64", "bool"};
  return kNames[static_cast<std::size_t>(type)];
}

// In the order of NumberType. These types are never closed.
std::span<const hid_t> plain_types() {
  static const std::array<hid_t, 2 * kNumberTypes> types{
      H5T_STD_I8LE,         H5T_STD_I8BE,         H5T_STD_U8LE,   H5T_STD_U8BE,
      H5T_STD_I16LE,        H5T_STD_I16BE,        H5T_STD_U16LE,  H5T_STD_U16BE,
      H5T_STD_I32LE,        H5T_STD_I32BE,        H5T_STD_U32LE,  H5T_STD_U32BE,
      H5T_STD_I64LE,        H5T_STD_I64BE,        H5T_STD_U64LE,  H5T_STD_U64BE,
      half(H5T_IEEE_F32LE), half(H5T_IEEE_F32BE), H5T_IEEE_F32LE, H5T_IEEE_F32BE,
      H5T_IEEE_F64LE,       H5T_IEEE_F64BE,       boolean(),      boolean()};
  return types;
}

hid_t file_type_of(NumberType type) { return plain_types()[2 * static_cast<std::size_t>(type)]; }

hid_t memory_type_of(NumberType type) {
  return plain_types()[2 * static_cast<std::size_t>(type) + (std::endian::native == std::endian::big ? 1 : 0)];
}

std::string DatasetInfo::type_name() const {
  const auto sized = [&](std::string_view name) {
    return fmt::format("{}{}{}", name, 8 * type_bytes, big_endian ? " big-endian" : "");
  };
  switch (type_class) {
    case TypeClass::kInteger:
      return sized(is_signed ? "int" : "uint");
    case TypeClass::kFloat:
      return sized("float");
    case TypeClass::kBoolean:
      return "bool";
    case TypeClass::kString:
      return fmt::format("string of {} bytes", type_bytes);
    case TypeClass::kOther:
      break;
  }
  return "values of another type";
}

std::string_view describe_type(hid_t type, DatasetInfo& info) {
  if (const std::string_view objection = type_objection(type); !objection.empty()) return objection;
  info.type_class = class_of(type);
  info.type_bytes = H5Tget_size(type);
  if (!info.numeric()) return "";
  if (info.type_bytes == 0 || info.type_bytes > kLargestElement) return "is of a number type that is not known";
  const Handle base(info.type_class == TypeClass::kBoolean ? H5Tget_super(type) : H5Tcopy(type), H5Tclose);
  info.is_signed = info.type_class == TypeClass::kFloat || H5Tget_sign(base.id()) == H5T_SGN_2;
  info.big_endian = info.type_bytes > 1 && H5Tget_order(base.id()) == H5T_ORDER_BE;
  const auto plain = plain_types();
  const auto found = std::find_if(plain.begin(), plain.end(), [&](hid_t t) { return H5Tequal(t, type) > 0; });
  if (found != plain.end()) info.number = static_cast<NumberType>((found - plain.begin()) / 2);
  return "";
}

}  // namespace gradloom::h5
