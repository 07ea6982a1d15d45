#include "engine/data/finite.hpp"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

template <class T>
using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

// Sign bit of the result: set where `value` is NaN or Inf, whose exponent of all ones the addition carries over.
template <class T>
Bits<T> carry_of_exponent(T value) {
  constexpr Bits<T> kExponent = std::bit_cast<Bits<T>>(std::numeric_limits<T>::infinity());
  constexpr Bits<T> kOne = Bits<T>{1} << (std::numeric_limits<T>::digits - 1);
  return (std::bit_cast<Bits<T>>(value) & kExponent) + kOne;
}

// Index of the first element that is not finite, or `count`. Whole blocks first, so that the loop vectorises.
template <class T>
std::size_t first_not_finite(const T* values, std::size_t count) {
  constexpr std::size_t kBlock = 512;
  std::size_t i = 0;
  for (; i + kBlock <= count; i += kBlock) {
    Bits<T> carries = 0;
    for (std::size_t k = 0; k < kBlock; ++k) carries |= carry_of_exponent(values[i + k]);
    if (carries >> (8 * sizeof(T) - 1) != 0) break;
  }
  while (i < count && std::isfinite(values[i])) ++i;
  return i;
}

// What stands in the file where T's value is not finite: NaN, Inf, or a number that is too large for T.
template <class T>
std::string fault(const h5::File& file, const std::string& set, std::uint64_t row, std::size_t col, std::size_t cols) {
  std::vector<double> values(cols);
  file.read_rows<double>(set, row, {values.data(), 1, cols});
  const double value = values[col];
  if (std::isfinite(value))
    return fmt::format("is {}, too large for float32; scale that column, or set model.precision = float64", value);
  if (std::isnan(value)) return "is NaN; remove such rows or import with --missing mean";
  return fmt::format("is {}; remove such rows", value > 0 ? "Inf" : "-Inf");
}

}  // namespace

template <class T>
void require_finite(const h5::File& file, const std::string& set, std::uint64_t first_row, MatrixView<const T> values,
                    const std::vector<std::string>& names) {
  const std::size_t count = values.rows * values.cols;
  const std::size_t at = first_not_finite(values.data, count);
  if (at == count) return;
  const std::uint64_t row = first_row + at / values.cols;
  const std::size_t col = at % values.cols;
  const std::string name = col < names.size() ? fmt::format(" (\"{}\")", names[col]) : "";
  throw DataError(fmt::format("{}: /{} row {}, column {}{} {}", file.name(), set, row, col, name,
                              fault<T>(file, set, row, col, values.cols)));
}

template void require_finite(const h5::File&, const std::string&, std::uint64_t, MatrixView<const float>,
                             const std::vector<std::string>&);
template void require_finite(const h5::File&, const std::string&, std::uint64_t, MatrixView<const double>,
                             const std::vector<std::string>&);

}  // namespace gradloom
