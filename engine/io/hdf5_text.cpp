#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/io/hdf5_internal.hpp"
#include "engine/io/hdf5_remote.hpp"

/// Attributes, and strings of fixed length.
namespace gradloom::h5 {
namespace {

constexpr std::size_t kLargestText = 64 << 20;  // bytes of an attribute or string
constexpr std::size_t kMostStrings = 2 << 20;   // of an attribute

// UTF-8 of `size` bytes, padded with zeros.
Handle text_type(std::size_t size) {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.id(), std::max<std::size_t>(size, 1));
  H5Tset_strpad(type.id(), H5T_STR_NULLPAD);
  H5Tset_cset(type.id(), H5T_CSET_UTF8);
  return type;
}

// A string as it stands in its field: zeros or spaces at the end are padding.
std::string unpadded(const char* field, std::size_t size, hid_t type) {
  std::string text(field, size);
  switch (H5Tget_strpad(type)) {
    case H5T_STR_SPACEPAD:
      text.resize(text.find_last_not_of(' ') + 1);
      break;
    case H5T_STR_NULLTERM:
      text.resize(std::min(text.find('\0'), text.size()));
      break;
    default:
      text.resize(text.find_last_not_of('\0') + 1);
      break;
  }
  return text;
}

// An attribute under examination.
struct Attribute {
  const std::string& file;
  const std::string& path;
  const std::string& name;
  Handle object;
  Handle id;
  Handle type;
  Handle space;

  [[noreturn]] void refuse(std::string_view what) const {
    throw_data_error(file, path, fmt::format("attribute {} {}", name, what));
  }
  [[nodiscard]] H5T_class_t type_class() const { return H5Tget_class(type.id()); }
  [[nodiscard]] std::size_t count() const {
    const hssize_t points = H5Sget_simple_extent_npoints(space.id());
    if (points < 0) refuse("has no readable shape");
    return static_cast<std::size_t>(points);
  }
  void read(hid_t memory, void* out) const {
    if (H5Aread(id.id(), memory, out) < 0) refuse("cannot be read: " + last_error());
  }
};

std::optional<Attribute> open_attribute(const OpenFile& file, const std::string& path, const std::string& name) {
  Handle object = open_object(file, path);
  if (H5Aexists(object.id(), name.c_str()) <= 0) return std::nullopt;
  Handle id(H5Aopen(object.id(), name.c_str(), H5P_DEFAULT), H5Aclose);
  Handle type(H5Aget_type(id.id()), H5Tclose);
  Handle space(H5Aget_space(id.id()), H5Sclose);
  Attribute attribute{file.name, path, name, std::move(object), std::move(id), std::move(type), std::move(space)};
  if (!attribute.type.valid() || !attribute.space.valid()) attribute.refuse("cannot be read: " + last_error());
  return attribute;
}

void require_number(const Attribute& attribute, bool allow_float) {
  const H5T_class_t found = attribute.type_class();
  if (found != H5T_INTEGER && !(allow_float && found == H5T_FLOAT))
    attribute.refuse(allow_float ? "is not a number" : "is not a whole number");
  if (attribute.count() != 1) attribute.refuse("is not a single number");
}

bool is_variable(const Attribute& attribute) {
  return attribute.type_class() == H5T_VLEN ||
         (attribute.type_class() == H5T_STRING && H5Tis_variable_str(attribute.type.id()) > 0);
}

std::vector<std::string> read_strings(const Attribute& attribute) {
  if (attribute.type_class() != H5T_STRING) attribute.refuse("does not hold strings");
  const std::size_t count = attribute.count();
  const std::size_t size = H5Tget_size(attribute.type.id());
  if (size == 0 || count > kLargestText / size || count > kMostStrings) attribute.refuse("is too large");
  std::vector<char> fields(count * size);
  if (count != 0) attribute.read(attribute.type.id(), fields.data());
  std::vector<std::string> strings;
  for (std::size_t i = 0; i < count; ++i)
    strings.push_back(unpadded(fields.data() + i * size, size, attribute.type.id()));
  return strings;
}

// Replaces an attribute of that name.
void write_raw_attribute(const OpenFile& file, const std::string& path, const std::string& name, hid_t file_type,
                         hid_t memory, const Handle& space, const void* value) {
  const Handle object = open_object(file, path);
  if (H5Aexists(object.id(), name.c_str()) > 0) H5Adelete(object.id(), name.c_str());
  const Handle id(H5Acreate2(object.id(), name.c_str(), file_type, space.id(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  if (!id.valid() || H5Awrite(id.id(), memory, value) < 0)
    throw_file_error(file.name, path, fmt::format("attribute {} cannot be written: {}", name, last_error()));
}

Handle scalar_space() { return {H5Screate(H5S_SCALAR), H5Sclose}; }

// `text` in a field of the type's size.
std::string padded(const std::string& text, const Handle& type) {
  std::string field = text;
  field.resize(H5Tget_size(type.id()), '\0');
  return field;
}

}  // namespace

void File::write_string(const std::string& path, const std::string& value) {
  const LibraryTurn turn;
  create_parents(*impl_, path);
  const Handle type = text_type(value.size());
  const Handle creation = creation_properties(H5P_DATASET_CREATE);
  const Handle space = scalar_space();
  const Handle dataset(
      H5Dcreate2(impl_->id(), absolute(path).c_str(), type.id(), space.id(), H5P_DEFAULT, creation.id(), H5P_DEFAULT),
      H5Dclose);
  const std::string field = padded(value, type);
  if (!dataset.valid() || H5Dwrite(dataset.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, field.data()) < 0)
    throw_file_error(impl_->name, path, "cannot be written: " + last_error());
}

std::string File::read_string(const std::string& path) const {
  if (impl_->remote) return impl_->remote->read_string(path);
  const LibraryTurn turn;
  const DatasetInfo about = info(path);
  std::uint64_t count = 1;
  for (const std::uint64_t n : about.shape) count *= n;
  if (about.type_class != TypeClass::kString || count != 1)
    throw_data_error(impl_->name, path, "is not a single string");
  if (about.type_bytes > kLargestText) throw_data_error(impl_->name, path, "is too long a string");
  const Handle dataset = open_object(*impl_, path);
  const Handle type(H5Dget_type(dataset.id()), H5Tclose);
  std::vector<char> field(about.type_bytes);
  if (H5Dread(dataset.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, field.data()) < 0)
    throw_data_error(impl_->name, path, "cannot be read: " + last_error());
  return unpadded(field.data(), field.size(), type.id());
}

void File::write_attribute(const std::string& path, const std::string& name, std::int64_t value) {
  const LibraryTurn turn;
  write_raw_attribute(*impl_, path, name, H5T_STD_I64LE, H5T_NATIVE_INT64, scalar_space(), &value);
}

void File::write_attribute(const std::string& path, const std::string& name, std::uint64_t value) {
  const LibraryTurn turn;
  write_raw_attribute(*impl_, path, name, H5T_STD_U64LE, H5T_NATIVE_UINT64, scalar_space(), &value);
}

void File::write_attribute(const std::string& path, const std::string& name, double value) {
  const LibraryTurn turn;
  write_raw_attribute(*impl_, path, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, scalar_space(), &value);
}

void File::write_attribute(const std::string& path, const std::string& name, const std::string& value) {
  const LibraryTurn turn;
  const Handle type = text_type(value.size());
  write_raw_attribute(*impl_, path, name, type.id(), type.id(), scalar_space(), padded(value, type).data());
}

void File::write_attribute(const std::string& path, const std::string& name, const std::vector<std::string>& values) {
  const LibraryTurn turn;
  std::size_t longest = 1;
  for (const std::string& value : values) longest = std::max(longest, value.size());
  const Handle type = text_type(longest);
  std::string fields;
  for (const std::string& value : values) fields += padded(value, type);
  const hsize_t count = values.size();
  const Handle space(H5Screate_simple(1, &count, nullptr), H5Sclose);
  write_raw_attribute(*impl_, path, name, type.id(), type.id(), space, fields.data());
}

std::optional<std::uint64_t> File::uint_attribute(const std::string& path, const std::string& name) const {
  if (impl_->remote) return impl_->remote->uint_attribute(path, name);
  const LibraryTurn turn;
  const auto attribute = open_attribute(*impl_, path, name);
  if (!attribute) return std::nullopt;
  require_number(*attribute, false);
  std::uint64_t value = 0;
  if (H5Tget_sign(attribute->type.id()) == H5T_SGN_2) {
    std::int64_t with_sign = 0;
    attribute->read(H5T_NATIVE_INT64, &with_sign);
    if (with_sign < 0) attribute->refuse("is negative");
    value = static_cast<std::uint64_t>(with_sign);
  } else {
    attribute->read(H5T_NATIVE_UINT64, &value);
  }
  return value;
}

std::optional<double> File::double_attribute(const std::string& path, const std::string& name) const {
  if (impl_->remote) return impl_->remote->double_attribute(path, name);
  const LibraryTurn turn;
  const auto attribute = open_attribute(*impl_, path, name);
  if (!attribute) return std::nullopt;
  require_number(*attribute, true);
  double value = 0;
  attribute->read(H5T_NATIVE_DOUBLE, &value);
  return value;
}

std::optional<std::string> File::string_attribute(const std::string& path, const std::string& name) const {
  if (impl_->remote) return impl_->remote->string_attribute(path, name);
  const LibraryTurn turn;
  const auto attribute = open_attribute(*impl_, path, name);
  if (!attribute || is_variable(*attribute)) return std::nullopt;
  std::vector<std::string> strings = read_strings(*attribute);
  if (strings.size() != 1) attribute->refuse("is not a single string");
  return std::move(strings.front());
}

std::optional<std::vector<std::string>> File::strings_attribute(const std::string& path,
                                                                const std::string& name) const {
  if (impl_->remote) return impl_->remote->strings_attribute(path, name);
  const LibraryTurn turn;
  const auto attribute = open_attribute(*impl_, path, name);
  if (!attribute || is_variable(*attribute)) return std::nullopt;
  return read_strings(*attribute);
}

}  // namespace gradloom::h5
