#include "engine/io/idx.hpp"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <limits>

#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

std::size_t bytes_of(IdxType type) {
  switch (type) {
    case IdxType::kUint8:
    case IdxType::kInt8:
      return 1;
    case IdxType::kInt16:
      return 2;
    case IdxType::kInt32:
    case IdxType::kFloat:
      return 4;
    case IdxType::kDouble:
      return 8;
  }
  return 0;  // a byte that names no type
}

std::uint64_t big_endian(const char* bytes, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

double element(const char* bytes, IdxType type) {
  const std::uint64_t bits = big_endian(bytes, bytes_of(type));
  switch (type) {
    case IdxType::kUint8:
      return static_cast<double>(bits);
    case IdxType::kInt8:
      return static_cast<std::int8_t>(bits);
    case IdxType::kInt16:
      return static_cast<std::int16_t>(bits);
    case IdxType::kInt32:
      return static_cast<std::int32_t>(bits);
    case IdxType::kFloat:
      return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    case IdxType::kDouble:
      return std::bit_cast<double>(bits);
  }
  return 0;
}

}  // namespace

IdxReader::IdxReader(const std::string& path, const std::string& name) : input_(path, name) {
  std::array<char, 4> magic{};
  if (input_.read(magic) < magic.size() || magic[0] != 0 || magic[1] != 0 ||
      bytes_of(static_cast<IdxType>(magic[2])) == 0 || magic[3] < 1)
    throw DataError(fmt::format("{}: is not an IDX file (it must begin with 0, 0, a type and a rank)", input_.name()));
  type_ = static_cast<IdxType>(magic[2]);
  std::uint64_t row_bytes = bytes_of(type_);
  const std::uint64_t most = input_.most_bytes();
  for (int i = 0; i < magic[3]; ++i) {
    std::array<char, 4> size{};
    read_bytes(size);
    shape_.push_back(big_endian(size.data(), size.size()));
    if (i == 0) continue;
    if (shape_.back() == 0) throw DataError(fmt::format("{}: dimension {} is empty", input_.name(), i));
    if (row_bytes > most / shape_.back())
      throw DataError(fmt::format("{}: is cut short: a row of it would be larger than the file", input_.name()));
    row_bytes *= shape_.back();
  }
  const std::uint64_t header = 4 + 4 * shape_.size();
  if (rows() > (most - header) / row_bytes)
    throw DataError(fmt::format("{}: is cut short: the header promises {} rows of {} bytes, the file can hold {}",
                                input_.name(), rows(), row_bytes, (most - header) / row_bytes));
  row_elements_ = static_cast<std::size_t>(row_bytes) / bytes_of(type_);
}

std::size_t IdxReader::element_bytes() const { return bytes_of(type_); }

void IdxReader::read_bytes(std::span<char> out) {
  if (input_.read(out) < out.size()) throw DataError(fmt::format("{}: is cut short", name()));
}

void IdxReader::read(std::span<double> out) {
  const std::size_t width = bytes_of(type_);
  raw_.resize(out.size() * width);
  read_bytes(raw_);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = element(raw_.data() + i * width, type_);
}

void IdxReader::require_end() {
  std::array<char, 1> more{};
  if (input_.read(more) != 0)
    throw DataError(fmt::format("{}: goes on behind the {} rows that its header promises", name(), rows()));
}

bool looks_like_idx(const std::string& path) {
  InputFile input(path);
  std::array<char, 2> start{};
  return input.read(start) == start.size() && start[0] == 0 && start[1] == 0;
}

}  // namespace gradloom
