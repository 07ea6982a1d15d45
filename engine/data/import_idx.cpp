#include "engine/data/import_idx.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "engine/data/import_arrays.hpp"
#include "engine/data/import_parts.hpp"
#include "engine/data/import_writer.hpp"
#include "engine/io/idx.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

constexpr std::size_t kBlockElements = 128 << 10;

// Class indices, a byte or more each in the file: small beside the images.
std::vector<double> read_labels(const ImportSource& source) {
  IdxReader reader(source.path, source.name);
  const std::string& name = source.name;
  if (reader.shape().size() != 1 || reader.type() == IdxType::kFloat || reader.type() == IdxType::kDouble)
    throw DataError(fmt::format("{}: holds no labels (one dimension of whole numbers); the images come first", name));
  std::vector<double> labels(static_cast<std::size_t>(reader.rows()));
  reader.read(labels);
  reader.require_end();
  for (std::size_t row = 0; row < labels.size(); ++row) {
    if (labels[row] < 0 || labels[row] >= static_cast<double>(kMostClasses))
      throw DataError(
          fmt::format("{}: row {}: label {} must be from 0 to {}", name, row, labels[row], kMostClasses - 1));
  }
  return labels;
}

ImportLayout layout_of(const IdxReader& images, const std::optional<std::vector<double>>& labels) {
  ImportLayout layout;
  layout.features = feature_names(images.name(), images.row_elements());
  if (!labels) return layout;
  layout.targets = {"label"};
  layout.classes = class_names(static_cast<std::size_t>(*std::max_element(labels->begin(), labels->end())) + 1);
  return layout;
}

template <class X>
std::vector<ImportedFile> write_rows(IdxReader& images, const std::optional<std::vector<double>>& labels,
                                     const PartPlan& plan, const ImportLayout& layout, const ImportOptions& options) {
  ImportWriter<X> writer(plan, layout);
  const std::size_t width = images.row_elements();
  const std::size_t block_rows = std::max<std::size_t>(kBlockElements / width, 1);
  std::vector<double> block;
  std::vector<X> x(width);
  for (std::uint64_t first = 0; first < images.rows(); first += block_rows) {
    const auto rows = static_cast<std::size_t>(std::min<std::uint64_t>(block_rows, images.rows() - first));
    block.resize(rows * width);
    images.read(block);
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t j = 0; j < width; ++j) {
        x[j] = static_cast<X>(block[i * width + j] * options.scale);
        if (!std::isfinite(static_cast<double>(x[j]))) refuse_value(images.name(), first + i, j, block[i * width + j]);
      }
      const std::size_t labelled = labels ? 1 : 0;
      writer.append(x, {labels ? labels->data() + first + i : nullptr, labelled});
    }
    report_rows(options, first + rows, images.rows(), width * images.element_bytes());
  }
  images.require_end();
  return writer.finish();
}

// The smallest element type that holds the values as they are; floats once they are scaled.
std::vector<ImportedFile> write_as_typed(IdxReader& images, const std::optional<std::vector<double>>& labels,
                                         const PartPlan& plan, const ImportLayout& layout,
                                         const ImportOptions& options) {
  const IdxType type = images.type();
  if (type == IdxType::kDouble || (type == IdxType::kInt32 && options.scale != 1))
    return write_rows<double>(images, labels, plan, layout, options);
  if (type == IdxType::kFloat || options.scale != 1) return write_rows<float>(images, labels, plan, layout, options);
  if (type == IdxType::kUint8) return write_rows<std::uint8_t>(images, labels, plan, layout, options);
  return write_rows<std::int32_t>(images, labels, plan, layout, options);
}

}  // namespace

ImportReport import_idx(const ImportOptions& options, const std::vector<ImportSource>& sources) {
  require_array_options(options, sources.size(), "IDX");
  IdxReader images(sources.front().path, sources.front().name);
  if (images.rows() == 0) throw DataError(fmt::format("{}: holds no rows", images.name()));
  std::optional<std::vector<double>> labels;
  if (sources.size() == 2) {
    labels = read_labels(sources.back());
    if (labels->size() != images.rows())
      throw DataError(fmt::format("{}: holds {} labels for the {} rows of {}", sources.back().name, labels->size(),
                                  images.rows(), images.name()));
  }
  const PartPlan plan = plan_parts(options, images.rows());
  const ImportLayout layout = layout_of(images, labels);
  ImportReport report;
  report.files = write_as_typed(images, labels, plan, layout, options);
  report.source_rows = images.rows();
  report.features = layout.features.size();
  report.outputs = layout.targets.size();
  report.class_names = layout.classes;
  return report;
}

}  // namespace gradloom
