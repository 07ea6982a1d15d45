#include "engine/linalg/dropout.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "engine/core/random.hpp"
#include "engine/linalg/kernels.hpp"
#include "support/catch.hpp"
#include "support/instruction_sets.hpp"

using namespace gradloom;

namespace {

/// The naive twin: the definition, a unit at a time.
bool keeps(const DropoutMasks& masks, std::uint64_t row, std::size_t unit) {
  const CounterRandom random(masks.key, RandomUse::kDropout, static_cast<std::uint32_t>(unit / 4));
  return random.words(row)[unit % 4] >= masks.threshold;
}

/// Which of these units are kept, row by row, by the vectorised kernel.
std::vector<bool> kept(const DropoutMasks& masks, const RowNumbers& numbers, std::size_t rows, std::size_t units) {
  Matrix<float> a(rows, units, 1.0F);
  drop_out<float>(masks, numbers, a.view(), a.view());
  std::vector<bool> all;
  for (std::size_t i = 0; i < rows * units; ++i) all.push_back(a.data()[i] != 0);
  return all;
}

const std::vector<std::uint64_t> kRowNumbers = {5,          0,           std::uint64_t{1} << 40, 3,
                                                0xffffffff, 0x100000000, ~std::uint64_t{0}};

}  // namespace

TEMPLATE_TEST_CASE("dropout equals its naive twin on every instruction set, for any width, gap and row", "[linalg]",
                   float, double) {
  using T = TestType;
  const OnTarget on_target(GENERATE(from_range(hwy::SupportedAndGeneratedTargets())));
  CAPTURE(instruction_set());
  const std::size_t rows = kRowNumbers.size();
  const std::size_t units = GENERATE(1, 3, 4, 5, 10, 15, 16, 17, 31, 33, 64, 70, 257);
  const std::size_t gap = GENERATE(0, 3);
  const double p = GENERATE(0.0, 1e-12, 0.2, 0.5, 0.999, 1 - 0x1p-53);
  const bool listed = GENERATE(true, false);
  const RowNumbers numbers{0xfffffffd, listed ? kRowNumbers.data() : nullptr};
  const DropoutMasks masks(p, 3, 7, 2);
  const T scale = static_cast<T>(1 / (1 - p)), mark = 77;
  Matrix<T> a(rows, units + gap, mark), out(rows, units + gap, mark);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t u = 0; u < units; ++u) a(r, u) = std::sin(static_cast<T>(1 + r * units + u));
  const MatrixView<T> as(a.data(), rows, units, units + gap), outs(out.data(), rows, units, units + gap);
  drop_out<T>(masks, numbers, as, outs);
  std::size_t wrong = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t u = 0; u < units; ++u)
      wrong += out(r, u) != (keeps(masks, numbers[r], u) ? a(r, u) * scale : T{0}) ? 1 : 0;
    for (std::size_t u = units; u < units + gap; ++u) wrong += out(r, u) != mark ? 1 : 0;
  }
  CHECK(wrong == 0);
  drop_out<T>(masks, numbers, as, as);
  for (std::size_t i = 0; i < rows * (units + gap); ++i) wrong += a.data()[i] != out.data()[i] ? 1 : 0;
  CHECK(wrong == 0);
}

TEST_CASE("a number below any word drops nothing, and NaN is not hidden", "[linalg]") {
  const DropoutMasks none(0x1p-33, 1, 0, 0);
  CHECK(none.threshold == 0);
  const DropoutMasks nearly_all(1 - 0x1p-53, 1, 0, 0);
  CHECK(nearly_all.threshold == 0xffffffff);
  Matrix<double> a(1, 40, std::numeric_limits<double>::quiet_NaN());
  drop_out<double>(nearly_all, {}, a.view(), a.view());
  for (std::size_t u = 0; u < 40; ++u) CHECK(std::isnan(a(0, u)));
}

TEST_CASE("the share of kept units is 1 - p", "[linalg]") {
  // Bounds are five standard deviations of a binomial share over n units.
  constexpr std::size_t kRows = 1000, kUnits = 200;
  constexpr double n = kRows * kUnits;
  for (const double p : {0.01, 0.2, 0.5, 0.9}) {
    const auto all = kept(DropoutMasks(p, 1, 0, 0), {}, kRows, kUnits);
    const auto count = static_cast<double>(std::count(all.begin(), all.end(), true));
    CHECK(std::abs(count / n - (1 - p)) < 5 * std::sqrt(p * (1 - p) / n));
  }
}

TEST_CASE("masks of other seeds, epochs, layers, rows and units are independent", "[linalg]") {
  // Of two independent masks of n units, a unit is kept by both with q = (1 - p)²: five standard deviations around it.
  constexpr std::size_t kRows = 400, kUnits = 256;
  constexpr double p = 0.4, q = (1 - p) * (1 - p);
  const auto base = kept(DropoutMasks(p, 1, 5, 2), {}, kRows, kUnits);
  const auto overlap = [&](const std::vector<bool>& other, std::size_t shift = 0) {
    double both = 0;
    const std::size_t n = base.size() - shift;
    for (std::size_t i = 0; i < n; ++i) both += base[i + shift] && other[i] ? 1 : 0;
    return std::abs(both / static_cast<double>(n) - q) / std::sqrt(q * (1 - q) / static_cast<double>(n));
  };
  CHECK(overlap(kept(DropoutMasks(p, 2, 5, 2), {}, kRows, kUnits)) < 5);
  CHECK(overlap(kept(DropoutMasks(p, 1, 6, 2), {}, kRows, kUnits)) < 5);
  CHECK(overlap(kept(DropoutMasks(p, 1, 5, 3), {}, kRows, kUnits)) < 5);
  CHECK(overlap(kept(DropoutMasks(p, 1, 2, 5), {}, kRows, kUnits)) < 5);  // epoch and layer are not interchangeable
  CHECK(overlap(base, 1) < 5);                                            // the next unit
  CHECK(overlap(base, 4) < 5);                                            // the same word of the next counter
  CHECK(overlap(base, kUnits) < 5);                                       // the same unit of the next row
  CHECK(overlap(base, kUnits + 1) < 5);
  CHECK(overlap(base) > 100);  // itself: the measure sees what it is to see
  CHECK(kept(DropoutMasks(p, 1, 5, 2), {7, nullptr}, 3, kUnits) ==
        std::vector<bool>(base.begin() + 7 * kUnits, base.begin() + 10 * kUnits));
}
