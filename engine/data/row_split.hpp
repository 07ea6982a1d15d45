#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gradloom/config.hpp"

namespace gradloom {

/// What a row of a training source is for.
enum class RowUse : std::uint8_t { kTraining, kValidation, kTest };

/// Rows of each use.
struct RowCounts {
  std::uint64_t training = 0, validation = 0, test = 0;

  void count(RowUse use) { ++(use == RowUse::kTraining ? training : use == RowUse::kValidation ? validation : test); }
};

/// True where row `row` of the training source is held out for validation: a keyed hash of (seed, row) below
/// `fraction`.
bool is_held_out(std::uint64_t seed, double fraction, std::uint64_t row);

/// Deals rows to folds class by class: of `folds` rows of a class that follow each other, each goes to another fold, in
/// an order by a keyed hash of (seed, class, their place). So every fold has as many rows of a class as the others, or
/// one more or less. One pass over the rows, in their order; the result is a function of seed and labels.
class FoldDealer {
 public:
  /// 2 <= folds <= 255.
  FoldDealer(std::uint64_t seed, std::uint64_t folds, std::size_t classes);

  /// The fold of the next row, which is of class c < classes: from 0.
  std::uint8_t deal(std::size_t c);

 private:
  struct Class {
    std::uint64_t dealt = 0;          ///< rows so far
    std::vector<std::uint8_t> order;  ///< of the folds, for the rows under way
  };
  std::uint64_t seed_, folds_;
  std::vector<Class> classes_;
};

/// The fold of each row, from 0.
using FoldTable = std::vector<std::uint8_t>;

/// Which rows of a training source train, and which are held out: to test on by data.fold, and of the others to
/// validate on by data.valid-fraction. Constant after construction; copies share the table.
class RowSplit {
 public:
  /// All rows train.
  RowSplit() = default;
  /// `folds`: of a stratified fold; else a keyed hash of (seed, row) gives each row its fold.
  RowSplit(std::uint64_t seed, double valid_fraction, std::optional<Fold> fold = std::nullopt,
           std::shared_ptr<const FoldTable> folds = nullptr);

  /// The same for another of the folds.
  [[nodiscard]] RowSplit of_fold(std::uint64_t number) const;

  /// False: all rows train.
  [[nodiscard]] bool holds_out() const { return validates() || tests(); }
  [[nodiscard]] bool validates() const { return valid_fraction_ > 0; }
  [[nodiscard]] bool tests() const { return fold_.has_value(); }
  [[nodiscard]] RowUse use_of(std::uint64_t row) const;
  /// What messages call the rows of the set `name` that have this use.
  [[nodiscard]] std::string name_of(const std::string& name, RowUse use) const;
  /// DataError where the rows of the set `name` leave a use without any that it shall have.
  void require_all_uses(const std::string& name, const RowCounts& rows) const;

 private:
  [[nodiscard]] bool is_tested(std::uint64_t row) const;

  std::uint64_t seed_ = 0;
  double valid_fraction_ = 0;
  std::optional<Fold> fold_;
  std::shared_ptr<const FoldTable> folds_;
};

}  // namespace gradloom
