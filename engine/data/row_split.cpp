#include "engine/data/row_split.hpp"

#include <fmt/format.h>

#include <numeric>
#include <utility>

#include "engine/core/random.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {

bool is_held_out(std::uint64_t seed, double fraction, std::uint64_t row) {
  return CounterRandom(seed, RandomUse::kHoldOut).uniform(row) < fraction;
}

FoldDealer::FoldDealer(std::uint64_t seed, std::uint64_t folds, std::size_t classes)
    : seed_(seed), folds_(folds), classes_(classes) {
  for (Class& of : classes_) {
    of.order.resize(folds);
    std::iota(of.order.begin(), of.order.end(), std::uint8_t{0});
  }
}

std::uint8_t FoldDealer::deal(std::size_t c) {
  Class& of = classes_[c];
  const std::uint64_t place = of.dealt % folds_;
  // Fisher and Yates, one row at a time: counter n is the class's n-th row.
  const std::uint64_t bits =
      CounterRandom(seed_, RandomUse::kStratifiedFold, static_cast<std::uint32_t>(c)).bits(of.dealt++);
  std::swap(of.order[place], of.order[place + bits % (folds_ - place)]);
  return of.order[place];
}

RowSplit::RowSplit(std::uint64_t seed, double valid_fraction, std::optional<Fold> fold,
                   std::shared_ptr<const FoldTable> folds)
    : seed_(seed), valid_fraction_(valid_fraction), fold_(fold), folds_(std::move(folds)) {}

RowSplit RowSplit::of_fold(std::uint64_t number) const {
  RowSplit other = *this;
  other.fold_->number = number;
  return other;
}

bool RowSplit::is_tested(std::uint64_t row) const {
  if (!fold_) return false;
  if (folds_) return (*folds_)[row] == fold_->number - 1;
  const double place = CounterRandom(seed_, RandomUse::kFold).uniform(row) * static_cast<double>(fold_->count);
  return static_cast<std::uint64_t>(place) == fold_->number - 1;
}

RowUse RowSplit::use_of(std::uint64_t row) const {
  if (is_tested(row)) return RowUse::kTest;
  return valid_fraction_ > 0 && is_held_out(seed_, valid_fraction_, row) ? RowUse::kValidation : RowUse::kTraining;
}

std::string RowSplit::name_of(const std::string& name, RowUse use) const {
  if (use == RowUse::kTraining) return name;
  if (use == RowUse::kValidation) return name + " (held out)";
  return fmt::format("{} (fold {})", name, to_string(*fold_));
}

void RowSplit::require_all_uses(const std::string& name, const RowCounts& rows) const {
  const auto& [training, validation, test] = rows;
  if (fold_ && (test == 0 || training + validation == 0))
    throw DataError(fmt::format("{}: data.fold = {} of {} rows leaves none to {} on; use fewer folds", name,
                                to_string(*fold_), training + validation + test, test == 0 ? "test" : "train"));
  if (valid_fraction_ > 0 && (validation == 0 || training == 0))
    throw DataError(fmt::format(
        "{}: data.valid-fraction = {} of {} rows leaves none to {} on; use another fraction, or a file of its own with "
        "data.valid",
        name, valid_fraction_, training + validation, training == 0 ? "train" : "validate"));
}

}  // namespace gradloom
