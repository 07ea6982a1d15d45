#include "engine/data/import_npy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <stdexcept>
#include <type_traits>

#include "engine/data/import_arrays.hpp"
#include "engine/data/import_parts.hpp"
#include "engine/data/import_writer.hpp"
#include "engine/io/npy.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

// Large, so that the columns of an array in Fortran's order are read in long pieces: 16 MiB of double.
constexpr std::size_t kPieceElements = 2 << 20;
constexpr double kWholeInDouble = 9007199254740992;  // 2^53: every whole number up to here is a double

// The second array, read and checked block by block.
class Targets {
 public:
  Targets(const ImportSource& source, bool classify) : reader_(source.path, source.name), classify_(classify) {
    if (reader_.shape().size() > 2 || (classify && reader_.row_elements() != 1))
      throw DataError(fmt::format("{}: has {} dimensions with {} values a row; {}; the features come first",
                                  source.name, reader_.shape().size(), reader_.row_elements(),
                                  classify ? "labels are one a row" : "targets are (rows) or (rows, outputs)"));
  }

  [[nodiscard]] std::uint64_t rows() const { return reader_.rows(); }
  [[nodiscard]] std::size_t outputs() const { return reader_.row_elements(); }

  /// The targets of rows `first` to `first + rows`; valid until the next call.
  std::span<const double> read(std::uint64_t first, std::size_t rows) {
    block_.resize(rows * outputs());
    reader_.read<double>(first, block_);
    for (std::size_t i = 0; i < block_.size(); ++i) check(first + i / outputs(), i % outputs(), block_[i]);
    return block_;
  }

  /// The largest label and one more, by a pass over all of them.
  std::size_t count_classes() {
    double largest = 0;
    for (std::uint64_t first = 0; first < reader_.rows(); first += kPieceElements) {
      const auto rows = static_cast<std::size_t>(std::min<std::uint64_t>(kPieceElements, reader_.rows() - first));
      for (const double label : read(first, rows)) largest = std::max(largest, label);
    }
    return static_cast<std::size_t>(largest) + 1;
  }

  void require_end() { reader_.require_end(); }

 private:
  void check(std::uint64_t row, std::size_t column, double value) const {
    if (!std::isfinite(value)) refuse_value(reader_.name(), row, column, value);
    if (classify_ && (std::floor(value) != value || value < 0 || value >= static_cast<double>(kMostClasses)))
      throw DataError(fmt::format("{}: row {}: label {} must be a whole number from 0 to {}", reader_.name(), row,
                                  value, kMostClasses - 1));
    const bool rounds = reader_.type() == NpyType::kInt64 || reader_.type() == NpyType::kUint64;
    if (rounds && std::abs(value) >= kWholeInDouble)
      throw DataError(fmt::format(
          "{}: row {}, column {}: found about {}; targets are stored as float64, which holds whole numbers below 2^53",
          reader_.name(), row, column, value));
  }

  NpyReader reader_;
  bool classify_;
  std::vector<double> block_;
};

ImportLayout layout_of(const NpyReader& features, Targets* targets, bool classify) {
  ImportLayout layout;
  layout.features = feature_names(features.name(), features.row_elements());
  if (targets == nullptr) return layout;
  if (classify) {
    layout.targets = {"label"};
    layout.classes = class_names(targets->count_classes());
  } else {
    for (std::size_t j = 0; j < targets->outputs(); ++j) layout.targets.push_back(fmt::format("y{}", j));
  }
  return layout;
}

// Rows of /x on their way from the file, scaled where there is a factor.
template <class X>
class Features {
 public:
  Features(NpyReader& reader, double scale) : reader_(reader), scale_(scale) {}

  [[nodiscard]] std::span<const X> row(std::size_t i) const { return std::span(block_).subspan(i * width(), width()); }
  void read(std::uint64_t first, std::size_t rows) {
    block_.resize(rows * width());
    if (scale_ == 1) {
      reader_.read<X>(first, block_);
    } else {
      values_.resize(block_.size());
      reader_.read<double>(first, values_);
      std::transform(values_.begin(), values_.end(), block_.begin(),
                     [&](double value) { return static_cast<X>(value * scale_); });
    }
    if constexpr (std::is_floating_point_v<X>) require_finite(first);
  }

 private:
  [[nodiscard]] std::size_t width() const { return reader_.row_elements(); }
  void require_finite(std::uint64_t first) const {
    const auto bad = std::find_if(block_.begin(), block_.end(), [](X x) { return !std::isfinite(x); });
    if (bad == block_.end()) return;
    const auto i = static_cast<std::size_t>(bad - block_.begin());
    refuse_value(reader_.name(), first + i / width(), i % width(),
                 scale_ == 1 ? static_cast<double>(*bad) : values_[i]);
  }

  NpyReader& reader_;  ///< must outlive this
  double scale_;
  std::vector<double> values_;  ///< before they are scaled
  std::vector<X> block_;
};

template <class X>
std::vector<ImportedFile> write_rows(NpyReader& reader, Targets* targets, const PartPlan& plan,
                                     const ImportLayout& layout, const ImportOptions& options) {
  ImportWriter<X> writer(plan, layout);
  Features<X> features(reader, options.scale);
  const std::size_t outputs = targets == nullptr ? 0 : targets->outputs();
  const std::size_t most = std::max<std::size_t>(kPieceElements / (reader.row_elements() + outputs), 1);
  for (std::uint64_t first = 0; first < reader.rows(); first += most) {
    const auto rows = static_cast<std::size_t>(std::min<std::uint64_t>(most, reader.rows() - first));
    features.read(first, rows);
    const std::span<const double> y = targets == nullptr ? std::span<const double>() : targets->read(first, rows);
    for (std::size_t i = 0; i < rows; ++i) writer.append(features.row(i), y.subspan(i * outputs, outputs));
    report_rows(options, first + rows, reader.rows(), reader.row_elements() * reader.element_bytes());
  }
  reader.require_end();
  if (targets != nullptr) targets->require_end();
  return writer.finish();
}

// The smallest type of data sets that holds the values as they are; once they are scaled float where it holds what they
// were before, else double.
std::vector<ImportedFile> write_as_typed(NpyReader& reader, Targets* targets, const PartPlan& plan,
                                         const ImportLayout& layout, const ImportOptions& options) {
  const auto write = [&](auto of_type) {
    return write_rows<decltype(of_type)>(reader, targets, plan, layout, options);
  };
  const bool scaled = options.scale != 1;
  switch (reader.type()) {
    case NpyType::kBool:
    case NpyType::kUint8:
      return scaled ? write(float{}) : write(std::uint8_t{});
    case NpyType::kInt8:
    case NpyType::kInt16:
    case NpyType::kUint16:
      return scaled ? write(float{}) : write(std::int32_t{});
    case NpyType::kInt32:
      return scaled ? write(double{}) : write(std::int32_t{});
    case NpyType::kUint32:
    case NpyType::kInt64:
      return scaled ? write(double{}) : write(std::int64_t{});
    case NpyType::kUint64:
      return scaled ? write(double{}) : write(std::uint64_t{});
    case NpyType::kFloat16:
    case NpyType::kFloat32:
      return write(float{});
    case NpyType::kFloat64:
      return write(double{});
  }
  throw std::logic_error("an NPY type that is stored nowhere");
}

}  // namespace

ImportReport import_npy(const ImportOptions& options, const std::vector<ImportSource>& sources,
                        const std::string& format) {
  require_array_options(options, sources.size(), format);
  NpyReader features(sources.front().path, sources.front().name);
  std::unique_ptr<Targets> targets;
  if (sources.size() == 2) {
    targets = std::make_unique<Targets>(sources.back(), options.classify);
    if (targets->rows() != features.rows())
      throw DataError(fmt::format("{}: holds targets of {} rows for the {} rows of {}", sources.back().name,
                                  targets->rows(), features.rows(), features.name()));
  }
  const PartPlan plan = plan_parts(options, features.rows());
  const ImportLayout layout = layout_of(features, targets.get(), options.classify);
  ImportReport report;
  report.files = write_as_typed(features, targets.get(), plan, layout, options);
  report.source_rows = features.rows();
  report.features = layout.features.size();
  report.outputs = layout.targets.size();
  report.class_names = layout.classes;
  return report;
}

}  // namespace gradloom
