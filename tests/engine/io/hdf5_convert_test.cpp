#include "engine/io/hdf5_convert.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "engine/io/hdf5_internal.hpp"
#include "support/catch.hpp"

namespace gradloom::h5 {
namespace {

// Random bits, and those of every kind of float16.
std::vector<std::byte> numbers(NumberType type, std::size_t count) {
  std::mt19937_64 random(static_cast<std::uint64_t>(type));
  std::vector<std::byte> bytes(count * bytes_of(type));
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(type == NumberType::kBool ? random() % 2 : random());
  if (type == NumberType::kFloat16)
    for (std::uint32_t i = 0; i < count; ++i) std::memcpy(bytes.data() + 2 * i, &i, 2);
  return bytes;
}

template <class T>
std::vector<T> converted(NumberType type, bool big_endian, const std::vector<std::byte>& bytes, std::size_t count) {
  std::vector<T> out(count);
  convert(type, big_endian, bytes.data(), number_type<T>(), reinterpret_cast<std::byte*>(out.data()), count);
  return out;
}

// The naive twin: the library's conversion, by C's casts. From the other byte order it has ways of its own, which round
// subnormal numbers otherwise.
template <class T>
std::vector<T> by_library(NumberType type, bool big_endian, std::vector<std::byte> bytes, std::size_t count) {
  const LibraryTurn turn;
  if (big_endian)
    for (auto at = bytes.begin(); at != bytes.end(); at += static_cast<std::ptrdiff_t>(bytes_of(type)))
      std::reverse(at, at + static_cast<std::ptrdiff_t>(bytes_of(type)));
  std::vector<std::byte> buffer(count * std::max(bytes_of(type), sizeof(T)));
  std::memcpy(buffer.data(), bytes.data(), bytes.size());
  const hid_t from = plain_types()[2 * static_cast<std::size_t>(type)];
  REQUIRE(H5Tconvert(from, memory_type_of(number_type<T>()), count, buffer.data(), nullptr, H5P_DEFAULT) >= 0);
  std::vector<T> out(count);
  std::memcpy(out.data(), buffer.data(), count * sizeof(T));
  return out;
}

template <class T>
void check_against_library(NumberType type, bool big_endian) {
  constexpr std::ptrdiff_t kCount = 1 << 16;
  CAPTURE(name_of(type), big_endian, sizeof(T));
  const std::vector<std::byte> bytes = numbers(type, kCount);
  const std::vector<T> found = converted<T>(type, big_endian, bytes, kCount);
  const std::vector<T> expected = by_library<T>(type, big_endian, bytes, kCount);
  const auto same = [](T a, T b) { return std::isnan(b) ? std::isnan(a) : a == b; };
  const auto differs = std::mismatch(found.begin(), found.end(), expected.begin(), same).first - found.begin();
  CAPTURE(differs);
  REQUIRE(differs == kCount);
}

}  // namespace

TEST_CASE("Numbers of every type become floats as the library makes them", "[hdf5][slow]") {
  CHECK(is_converted(NumberType::kFloat32));
  CHECK(is_converted(NumberType::kFloat64));
  CHECK_FALSE(is_converted(NumberType::kInt64));
  for (std::size_t t = 0; t < kNumberTypes; ++t)
    for (const bool big_endian : {false, true}) {
      check_against_library<float>(static_cast<NumberType>(t), big_endian);
      check_against_library<double>(static_cast<NumberType>(t), big_endian);
    }
}

TEST_CASE("Half a float has subnormal numbers, infinities and signs", "[hdf5]") {
  const std::vector<std::pair<std::uint16_t, float>> cases = {{0x0000, 0.0F},
                                                              {0x8000, -0.0F},
                                                              {0x0001, 0x1p-24F},
                                                              {0x83FF, -0x1.FF8p-15F},
                                                              {0x0400, 0x1p-14F},
                                                              {0x3C00, 1.0F},
                                                              {0xC000, -2.0F},
                                                              {0x7BFF, 65504.0F},
                                                              {0x7C00, std::numeric_limits<float>::infinity()},
                                                              {0xFC00, -std::numeric_limits<float>::infinity()}};
  for (const auto& [bits, value] : cases) {
    std::vector<std::byte> bytes(2);
    std::memcpy(bytes.data(), &bits, 2);
    const float found = converted<float>(NumberType::kFloat16, false, bytes, 1).front();
    CHECK(std::bit_cast<std::uint32_t>(found) == std::bit_cast<std::uint32_t>(value));
  }
}

}  // namespace gradloom::h5
