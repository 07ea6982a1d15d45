#include "engine/io/npy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <type_traits>

#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

constexpr std::string_view kNpyMagic = "\x93NUMPY";
// NumPy itself reads no header beyond 10,000 bytes unless it is told that the file is trusted.
constexpr std::uint64_t kMostHeaderBytes = 64 << 10;
constexpr std::size_t kReadBytes = 1 << 20;

std::size_t bytes_of(NpyType type) {
  switch (type) {
    case NpyType::kBool:
    case NpyType::kInt8:
    case NpyType::kUint8:
      return 1;
    case NpyType::kInt16:
    case NpyType::kUint16:
    case NpyType::kFloat16:
      return 2;
    case NpyType::kInt32:
    case NpyType::kUint32:
    case NpyType::kFloat32:
      return 4;
    default:
      return 8;
  }
}

// IEEE 754 binary16; every value of it is a float.
float half_to_float(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  float magnitude = 0;
  if (exponent == 31)
    magnitude = fraction == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
  else
    magnitude = std::ldexp(static_cast<float>(exponent == 0 ? fraction : fraction + 1024), std::max(exponent, 1) - 25);
  return bits >> 15 != 0 ? -magnitude : magnitude;
}

struct Half {
  std::uint16_t bits;
};
enum class Bool : std::uint8_t {};  // whatever is not 0 is true
enum class Int8 : std::int8_t {};   // std::int8_t is a character to the compiler

template <class Stored>
auto value_of(Stored stored) {
  if constexpr (std::is_same_v<Stored, Half>)
    return half_to_float(stored.bits);
  else if constexpr (std::is_same_v<Stored, Bool>)
    return static_cast<std::uint8_t>(stored != Bool{0} ? 1 : 0);
  else if constexpr (std::is_same_v<Stored, Int8>)
    return static_cast<std::int16_t>(stored);
  else
    return stored;
}

template <class Value, class T>
constexpr bool holds_exactly() {
  using From = std::numeric_limits<Value>;
  using To = std::numeric_limits<T>;
  return From::digits <= To::digits && (To::is_signed || !From::is_signed) && (From::is_integer || !To::is_integer);
}

// `count` elements from `raw` to every `stride`th place of `out`.
template <class Stored, class T>
void convert(const char* raw, std::size_t count, bool swap, T* out, std::size_t stride) {
  if constexpr (std::is_same_v<T, double> || holds_exactly<decltype(value_of(Stored{})), T>()) {
    for (std::size_t i = 0; i < count; ++i) {
      std::array<char, sizeof(Stored)> bytes;
      std::memcpy(bytes.data(), raw + i * sizeof(Stored), sizeof(Stored));
      if (swap) std::reverse(bytes.begin(), bytes.end());
      out[i * stride] = static_cast<T>(value_of(std::bit_cast<Stored>(bytes)));
    }
  } else {
    throw std::logic_error("NPY elements are read as a type that does not hold them");
  }
}

template <class T>
void convert_as(NpyType type, const char* raw, std::size_t count, bool swap, T* out, std::size_t stride) {
  switch (type) {
    case NpyType::kBool:
      return convert<Bool>(raw, count, swap, out, stride);
    case NpyType::kInt8:
      return convert<Int8>(raw, count, swap, out, stride);
    case NpyType::kInt16:
      return convert<std::int16_t>(raw, count, swap, out, stride);
    case NpyType::kInt32:
      return convert<std::int32_t>(raw, count, swap, out, stride);
    case NpyType::kInt64:
      return convert<std::int64_t>(raw, count, swap, out, stride);
    case NpyType::kUint8:
      return convert<std::uint8_t>(raw, count, swap, out, stride);
    case NpyType::kUint16:
      return convert<std::uint16_t>(raw, count, swap, out, stride);
    case NpyType::kUint32:
      return convert<std::uint32_t>(raw, count, swap, out, stride);
    case NpyType::kUint64:
      return convert<std::uint64_t>(raw, count, swap, out, stride);
    case NpyType::kFloat16:
      return convert<Half>(raw, count, swap, out, stride);
    case NpyType::kFloat32:
      return convert<float>(raw, count, swap, out, stride);
    case NpyType::kFloat64:
      return convert<double>(raw, count, swap, out, stride);
  }
}

// The place in a row (last dimension fastest) of each of its elements in Fortran's order (first dimension fastest).
std::vector<std::size_t> fortran_places(std::span<const std::uint64_t> dimensions, std::size_t elements) {
  std::vector<std::size_t> places(elements);
  for (std::size_t k = 0; k < elements; ++k) {
    std::size_t rest = k, stride = elements;
    for (const std::uint64_t size : dimensions) {
      stride /= static_cast<std::size_t>(size);
      places[k] += rest % static_cast<std::size_t>(size) * stride;
      rest /= static_cast<std::size_t>(size);
    }
  }
  return places;
}

}  // namespace

NpyReader::NpyReader(const std::string& path, const std::string& name) : input_(path, name) {
  read_header();
  require_promise();
}

std::size_t NpyReader::element_bytes() const { return bytes_of(type()); }

void NpyReader::read_header() {
  std::array<char, 8> start{};
  if (input_.read(start) < start.size() || !std::string_view(start.data(), start.size()).starts_with(kNpyMagic))
    throw DataError(fmt::format("{}: is not an NPY file (it must begin with \\x93NUMPY and a version)", name()));
  const int major = static_cast<unsigned char>(start[6]), minor = static_cast<unsigned char>(start[7]);
  if (major < 1 || major > 3 || minor != 0)
    throw DataError(
        fmt::format("{}: has NPY's format version {}.{}; this program reads 1.0, 2.0 and 3.0", name(), major, minor));
  std::array<char, 4> length_bytes{};
  const std::span<char> used(length_bytes.data(), major == 1 ? 2 : 4);
  read_bytes(used);
  std::uint64_t length = 0;  // little-endian
  for (std::size_t i = used.size(); i-- > 0;) length = length << 8 | static_cast<unsigned char>(used[i]);
  if (length > kMostHeaderBytes)
    throw DataError(fmt::format("{}: has a header of {} bytes; no array of numbers needs more than {}", name(), length,
                                kMostHeaderBytes));
  std::vector<char> text(static_cast<std::size_t>(length));
  read_bytes(text);
  header_ = parse_npy_header({text.data(), text.size()}, name());
  data_offset_ = start.size() + used.size() + length;
}

// The shape is held against the file's size before anything is allocated for it.
void NpyReader::require_promise() {
  if (shape().empty()) throw DataError(fmt::format("{}: holds a single value, not rows", name()));
  if (rows() == 0) throw DataError(fmt::format("{}: holds no rows", name()));
  const std::uint64_t whole = input_.most_bytes();
  const std::uint64_t most = whole - std::min(whole, data_offset_);
  std::uint64_t row_bytes = bytes_of(type());
  for (std::size_t i = 1; i < shape().size(); ++i) {
    if (shape()[i] == 0) throw DataError(fmt::format("{}: dimension {} is empty", name(), i));
    if (row_bytes > most / shape()[i])
      throw DataError(fmt::format("{}: is cut short: a row of it would be larger than the file", name()));
    row_bytes *= shape()[i];
  }
  if (rows() > most / row_bytes)
    throw DataError(fmt::format("{}: is cut short: the header promises {} rows of {} bytes, the file can hold {}",
                                name(), rows(), row_bytes, most / row_bytes));
  row_elements_ = static_cast<std::size_t>(row_bytes) / bytes_of(type());
}

void NpyReader::read_bytes(std::span<char> out) {
  if (input_.read(out) < out.size()) throw DataError(fmt::format("{}: is cut short", name()));
}

// The bytes of `count` elements from the file's `element`th on.
std::span<const char> NpyReader::raw_at(std::uint64_t element, std::size_t count) {
  const std::size_t width = bytes_of(type());
  raw_.resize(count * width);
  if (input_.read_at(data_offset_ + element * width, raw_) < raw_.size())
    throw DataError(fmt::format("{}: is cut short", name()));
  return raw_;
}

template <class T>
void NpyReader::read(std::uint64_t first, std::span<T> out) {
  const bool swap = header_.big_endian != (std::endian::native == std::endian::big);
  const std::size_t width = row_elements(), count = out.size() / width;
  if (count == 0) return;
  if (!header_.fortran_order || width == 1) {
    convert_as(type(), raw_at(first * width, out.size()).data(), out.size(), swap, out.data(), 1);
    return;
  }
  // A block of some rows has a piece of every column: each block would inflate the whole file anew.
  if (input_.is_gzipped() && count != rows())
    throw DataError(
        fmt::format("{}: is in Fortran order and gzipped, too large to be read at once; gunzip it first", name()));
  if (places_.empty()) places_ = fortran_places(std::span(shape()).subspan(1), width);
  // Columns one after the other; several at a time where all of their rows are wanted, for they are neighbours then.
  const std::size_t bytes = count * bytes_of(type());
  const std::size_t together = count == rows() ? std::clamp<std::size_t>(kReadBytes / bytes, 1, width) : 1;
  for (std::size_t column = 0; column < width; column += together) {
    const std::size_t columns = std::min(together, width - column);
    const char* raw = raw_at(column * rows() + first, columns * count).data();
    for (std::size_t j = 0; j < columns; ++j)
      convert_as(type(), raw + j * bytes, count, swap, out.data() + places_[column + j], width);
  }
}

void NpyReader::require_end() {
  std::array<char, 1> more{};
  if (input_.read_at(data_offset_ + rows() * row_elements() * bytes_of(type()), more) != 0)
    throw DataError(fmt::format("{}: goes on behind the {} rows that its header promises", name(), rows()));
}

bool looks_like_npy(const std::string& path) {
  InputFile input(path);
  std::array<char, kNpyMagic.size()> start{};
  return input.read(start) == start.size() && std::string_view(start.data(), start.size()) == kNpyMagic;
}

template void NpyReader::read<double>(std::uint64_t, std::span<double>);
template void NpyReader::read<float>(std::uint64_t, std::span<float>);
template void NpyReader::read<std::uint8_t>(std::uint64_t, std::span<std::uint8_t>);
template void NpyReader::read<std::int32_t>(std::uint64_t, std::span<std::int32_t>);
template void NpyReader::read<std::int64_t>(std::uint64_t, std::span<std::int64_t>);
template void NpyReader::read<std::uint64_t>(std::uint64_t, std::span<std::uint64_t>);

}  // namespace gradloom
