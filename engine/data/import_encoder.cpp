#include "engine/data/import_encoder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

namespace gradloom {

RowEncoder::RowEncoder(const std::vector<ImportColumn>& columns, std::vector<std::size_t> targets,
                       std::optional<std::size_t> weight, const std::string& source)
    : columns_(columns.size()), targets_(std::move(targets)), weight_(weight) {
  layout_.weighted = weight.has_value();
  for (const ImportColumn& column : columns) add(column);
  require_feature_count(source, features_);
  for (const ImportColumn& column : columns) {
    if (column.use == ColumnUse::kNumber) layout_.features.push_back(column.name);
    if (column.use == ColumnUse::kOneHot)
      for (const std::string& category : column.categories)
        layout_.features.push_back(fmt::format("{}={}", column.name, category));
    if (column.use == ColumnUse::kLabel) layout_.classes = column.categories;
  }
  for (const std::size_t target : targets_) layout_.targets.push_back(columns[target].name);
  y_.resize(targets_.size());
}

void RowEncoder::add(const ImportColumn& column) {
  if (column.use == ColumnUse::kOneHot) {
    runs_.push_back({column.index, 1, column.categories.size()});
    features_ += column.categories.size();
  } else if (column.use == ColumnUse::kNumber) {
    const bool goes_on =
        !runs_.empty() && runs_.back().categories == 0 && runs_.back().first + runs_.back().columns == column.index;
    if (!goes_on) runs_.push_back({column.index, 0, 0});
    ++runs_.back().columns;
    ++features_;
  }
}

void RowEncoder::append(const std::vector<double>& numbers, std::uint64_t rows, ImportWriter<double>& writer) {
  for (std::uint64_t i = 0; i < rows; ++i) {
    const double* row = numbers.data() + i * columns_;
    std::transform(targets_.begin(), targets_.end(), y_.begin(), [&](std::size_t target) { return row[target]; });
    writer.append(features_of(row), y_, weight_ ? row[*weight_] : 1);
  }
}

std::span<const double> RowEncoder::features_of(const double* row) {
  if (runs_.size() == 1 && runs_[0].categories == 0) return {row + runs_[0].first, features_};
  x_.clear();
  for (const Run& run : runs_) {
    if (run.categories == 0) {
      x_.insert(x_.end(), row + run.first, row + run.first + run.columns);
    } else {
      x_.resize(x_.size() + run.categories);
      x_[x_.size() - run.categories + static_cast<std::size_t>(row[run.first])] = 1;
    }
  }
  return x_;
}

}  // namespace gradloom
