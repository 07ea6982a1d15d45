#include "engine/io/hdf5_convert.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <tuple>

namespace gradloom::h5 {
namespace {

/// IEEE 754's half.
struct Half {
  std::uint16_t bits;
};

float value_of(Half half) {
  // The exponent's bias is 112 less than float's; a product mends it, subnormal numbers too. Infinity and NaN stay so.
  const std::uint32_t magnitude = static_cast<std::uint32_t>(half.bits & 0x7FFFU) << 13;
  const std::uint32_t scaled = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112F);
  const std::uint32_t endless = magnitude >= 0x0F800000U ? 0x7F800000U : 0U;
  return std::bit_cast<float>(scaled | endless | static_cast<std::uint32_t>(half.bits & 0x8000U) << 16);
}
template <class T>
T value_of(T number) {
  return number;
}

template <std::size_t kBytes>
using Bits = std::tuple_element_t<std::bit_width(kBytes) - 1,
                                  std::tuple<std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t>>;

std::uint8_t swapped(std::uint8_t bits) { return bits; }
std::uint16_t swapped(std::uint16_t bits) { return __builtin_bswap16(bits); }
std::uint32_t swapped(std::uint32_t bits) { return __builtin_bswap32(bits); }
std::uint64_t swapped(std::uint64_t bits) { return __builtin_bswap64(bits); }

using Loop = void (*)(const std::byte* in, std::byte* out, std::size_t count);

template <class From, class To, bool kSwap>
void convert_all(const std::byte* in, std::byte* out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    Bits<sizeof(From)> bits{};
    std::memcpy(&bits, in + i * sizeof(From), sizeof(From));
    if constexpr (kSwap) bits = swapped(bits);
    const To value = static_cast<To>(value_of(std::bit_cast<From>(bits)));
    std::memcpy(out + i * sizeof(To), &value, sizeof(To));
  }
}

/// By the order of NumberType.
template <class To, bool kSwap>
constexpr std::array<Loop, kNumberTypes> kLoops{
    convert_all<std::int8_t, To, kSwap>,   convert_all<std::uint8_t, To, kSwap>,  convert_all<std::int16_t, To, kSwap>,
    convert_all<std::uint16_t, To, kSwap>, convert_all<std::int32_t, To, kSwap>,  convert_all<std::uint32_t, To, kSwap>,
    convert_all<std::int64_t, To, kSwap>,  convert_all<std::uint64_t, To, kSwap>, convert_all<Half, To, kSwap>,
    convert_all<float, To, kSwap>,         convert_all<double, To, kSwap>,        convert_all<std::uint8_t, To, kSwap>};

template <class To>
Loop loop_of(NumberType from, bool swap) {
  const auto at = static_cast<std::size_t>(from);
  return swap ? kLoops<To, true>[at] : kLoops<To, false>[at];
}

}  // namespace

bool is_converted(NumberType to) { return to == NumberType::kFloat32 || to == NumberType::kFloat64; }

void convert(NumberType from, bool big_endian, const std::byte* in, NumberType to, std::byte* out, std::size_t count) {
  const bool swap = big_endian != (std::endian::native == std::endian::big);
  const Loop loop = to == NumberType::kFloat32 ? loop_of<float>(from, swap) : loop_of<double>(from, swap);
  loop(in, out, count);
}

}  // namespace gradloom::h5
