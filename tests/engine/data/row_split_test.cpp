#include "engine/data/row_split.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include "support/catch.hpp"

namespace gradloom {
namespace {

TEST_CASE("Held-out rows are a function of seed and row, near the fraction", "[prepare]") {
  constexpr std::size_t kRows = 20000;
  std::size_t held = 0, other_seed = 0;
  for (std::uint64_t row = 0; row < kRows; ++row) {
    held += is_held_out(1, 0.2, row);
    other_seed += is_held_out(1, 0.2, row) && is_held_out(2, 0.2, row);
    if (is_held_out(1, 0.1, row)) CHECK(is_held_out(1, 0.2, row));  // a larger fraction adds rows
  }
  // Five standard deviations of a binomial count: sqrt(20000 * 0.2 * 0.8) = 57, sqrt(20000 * 0.04 * 0.96) = 28.
  CHECK(std::abs(static_cast<double>(held) - 4000) < 5 * 57);
  CHECK(std::abs(static_cast<double>(other_seed) - 800) < 5 * 28);
  CHECK_FALSE(is_held_out(1, 0, 3));
}

TEST_CASE("Every row is tested by one fold, and validates or trains in all others", "[row_split]") {
  constexpr std::uint64_t kRows = 20000, kFolds = 5;
  std::vector<std::uint64_t> tested(kFolds);
  for (std::uint64_t row = 0; row < kRows; ++row) {
    std::uint64_t times = 0;
    for (std::uint64_t fold = 1; fold <= kFolds; ++fold) {
      const RowUse use = RowSplit(3, 0.1, Fold{fold, kFolds}).use_of(row);
      times += use == RowUse::kTest;
      tested[fold - 1] += use == RowUse::kTest;
      if (use != RowUse::kTest) REQUIRE((use == RowUse::kValidation) == is_held_out(3, 0.1, row));
    }
    REQUIRE(times == 1);
  }
  // Five standard deviations of a binomial count: sqrt(20000 * 0.2 * 0.8) = 57.
  for (const std::uint64_t rows : tested) CHECK(std::abs(static_cast<double>(rows) - 4000) < 5 * 57);
}

TEST_CASE("The fold of a row is a function of seed and row, whatever rows follow", "[row_split]") {
  std::uint64_t same = 0;
  for (std::uint64_t row = 0; row < 10000; ++row) {
    const auto tests = [&](std::uint64_t seed) { return RowSplit(seed, 0, Fold{1, 2}).use_of(row) == RowUse::kTest; };
    same += tests(1) == tests(2);
  }
  CHECK(std::abs(static_cast<double>(same) - 5000) < 5 * 50);  // of another seed's, half are the same
}

TEST_CASE("Stratified folds have the same share of every class, but for a row", "[row_split]") {
  std::mt19937 random(11);
  for (const std::uint64_t folds : {2, 5, 255}) {
    constexpr std::size_t kClasses = 4;
    FoldDealer dealer(9, folds, kClasses), again(9, folds, kClasses);
    std::discrete_distribution<std::size_t> classes({70, 25, 5, 0});
    std::map<std::pair<std::size_t, std::uint8_t>, std::uint64_t> rows;
    std::vector<std::uint64_t> of_class(kClasses);
    for (int row = 0; row < 3001; ++row) {
      const std::size_t c = classes(random);
      const std::uint8_t fold = dealer.deal(c);
      REQUIRE(fold < folds);
      REQUIRE(again.deal(c) == fold);
      ++rows[{c, fold}];
      ++of_class[c];
    }
    for (std::size_t c = 0; c < kClasses; ++c)
      for (std::uint64_t fold = 0; fold < folds; ++fold) {
        const std::uint64_t share = rows[{c, static_cast<std::uint8_t>(fold)}];
        CAPTURE(folds, c, fold, of_class[c]);
        CHECK((share == of_class[c] / folds || share == of_class[c] / folds + 1));
      }
  }
}

TEST_CASE("Stratified folds take rows that follow each other in every order", "[row_split]") {
  constexpr int kRounds = 6000;
  FoldDealer dealer(1, 3, 1);
  std::map<std::vector<std::uint8_t>, int> orders;
  for (int i = 0; i < kRounds; ++i) {
    std::vector<std::uint8_t> order(3);
    for (std::uint8_t& fold : order) fold = dealer.deal(0);
    ++orders[order];
  }
  REQUIRE(orders.size() == 6);
  // Five standard deviations of a binomial count: sqrt(6000 / 6 * 5 / 6) = 29.
  for (const auto& [order, count] : orders) CHECK(std::abs(count - kRounds / 6) < 5 * 29);
}

}  // namespace
}  // namespace gradloom
