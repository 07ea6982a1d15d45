#include "engine/data/import_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/data/name_attribute.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

constexpr std::size_t kPartBytes = 2 << 20;

}  // namespace

void require_feature_count(const std::string& source, std::uint64_t features) {
  constexpr std::uint64_t kMostValues = 10'000'000;
  if (features > kMostValues)
    throw DataError(fmt::format("{}: has rows of {} values; import takes up to {}", source, features, kMostValues));
}

template <class X>
ImportWriter<X>::ImportWriter(const PartPlan& plan, ImportLayout layout) : plan_(plan), layout_(std::move(layout)) {
  for (std::size_t i = 0; i < plan.paths.size(); ++i) {
    index_.push_back(parts_.size());
    if (plan.rows[i] == 0) continue;
    parts_.push_back({plan.paths[i], h5::File::create(pending_.add(plan.paths[i])), 0, {}, {}, {}});
    create(parts_.back());
  }
}

template <class X>
void ImportWriter<X>::create(Part& part) const {
  part.file.template create_rows<X>("/x", {.cols = layout_.features.size(), .deflate = layout_.deflate});
  write_names(part.file, "/x", "names", layout_.features);
  if (!layout_.classes.empty()) {
    part.file.template create_rows<std::int32_t>("/y", {});
    write_names(part.file, "/y", "classes", layout_.classes);
  } else if (!layout_.targets.empty()) {
    part.file.template create_rows<double>("/y", {.cols = layout_.targets.size()});
    write_names(part.file, "/y", "names", layout_.targets);
  }
  if (layout_.weighted) part.file.template create_rows<double>("/weight", {});
}

template <class X>
void ImportWriter<X>::append(std::span<const X> x, std::span<const double> y, double weight) {
  Part& part = parts_[index_[plan_.part(next_row_++)]];
  part.x.insert(part.x.end(), x.begin(), x.end());
  part.y.insert(part.y.end(), y.begin(), y.end());
  if (layout_.weighted) part.weights.push_back(weight);
  ++part.rows;
  if (part.x.size() * sizeof(X) >= kPartBytes || part.y.size() * sizeof(double) >= kPartBytes) flush(part);
}

template <class X>
void ImportWriter<X>::flush(Part& part) {
  const std::size_t features = layout_.features.size(), outputs = layout_.targets.size();
  const std::size_t rows = part.x.size() / features;
  part.file.template append_rows<X>("/x", {part.x.data(), rows, features});
  if (!layout_.classes.empty()) {
    labels_.resize(rows);
    std::transform(part.y.begin(), part.y.end(), labels_.begin(),
                   [](double y) { return static_cast<std::int32_t>(y); });
    part.file.template append_rows<std::int32_t>("/y", {labels_.data(), rows, 1});
  } else if (outputs > 0) {
    part.file.template append_rows<double>("/y", {part.y.data(), rows, outputs});
  }
  if (layout_.weighted) part.file.template append_rows<double>("/weight", {part.weights.data(), rows, 1});
  part.x.clear();
  part.y.clear();
  part.weights.clear();
}

template <class X>
std::vector<ImportedFile> ImportWriter<X>::finish() {
  std::vector<ImportedFile> files;
  for (Part& part : parts_) {
    flush(part);
    part.file.close();
    files.push_back({part.path, part.rows});
  }
  pending_.publish();
  return files;
}

template class ImportWriter<std::uint8_t>;
template class ImportWriter<std::int32_t>;
template class ImportWriter<std::int64_t>;
template class ImportWriter<std::uint64_t>;
template class ImportWriter<float>;
template class ImportWriter<double>;

}  // namespace gradloom
