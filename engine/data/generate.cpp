#include "gradloom/generate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/data/generate_sets.hpp"
#include "engine/data/name_attribute.hpp"
#include "engine/data/pending_files.hpp"
#include "engine/io/hdf5.hpp"
#include "gradloom/config.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

constexpr std::size_t kMostFeatures = 10'000'000;  // 40 MB a row
constexpr std::size_t kDrawnBytes = 4 << 20;

const SyntheticKind& kind_named(const std::string& name) {
  std::vector<std::string> known;
  for (const SyntheticKind& kind : synthetic_kinds()) {
    if (kind.name == name) return kind;
    known.push_back(kind.name);
  }
  const auto near = nearest_name(name, known);
  throw ConfigError(fmt::format("generate {}: there is no such set; one of {}{}", name, fmt::join(known, ", "),
                                near ? fmt::format("; did you mean {}?", *near) : ""));
}

std::size_t features_of(const GenerateOptions& options, const SyntheticKind& kind) {
  const std::size_t features = options.features.value_or(kind.features);
  if (!kind.adjustable && features != kind.features)
    throw ConfigError(fmt::format("generate {}: has {} features always, not {}", kind.name, kind.features, features));
  if (features < kind.least_features || features > kMostFeatures)
    throw ConfigError(fmt::format("generate {}: --features {}: must be from {} to {}", kind.name, features,
                                  kind.least_features, kMostFeatures));
  return features;
}

void require_sound(const GenerateOptions& options) {
  if (options.rows == 0) throw ConfigError(fmt::format("generate {}: --rows must be at least 1", options.name));
  if (!std::isfinite(options.noise) || options.noise < 0)
    throw ConfigError(
        fmt::format("generate {}: --noise {}: must be a number of at least 0", options.name, options.noise));
}

// Rows as one block holds them; y is (rows, 1) floats, or (rows) class indices.
struct Block {
  std::vector<float> x, y;
  std::vector<std::int32_t> labels;
};

void fill(const SyntheticSet& set, std::uint64_t first, std::size_t rows, std::size_t features, Block& block) {
  for (std::size_t i = 0; i < rows; ++i) {
    const double y = set.row(first + i, {block.x.data() + i * features, features});
    block.y[i] = static_cast<float>(y);
    block.labels[i] = static_cast<std::int32_t>(y);
  }
}

void write_blocks(h5::File& file, const SyntheticSet& set, std::uint64_t rows, std::size_t features, bool labelled) {
  const std::size_t wanted = std::max<std::size_t>(kDrawnBytes / (features * sizeof(float)), 1);
  const auto block_rows = static_cast<std::size_t>(std::min<std::uint64_t>(wanted, rows));
  Block block{std::vector<float>(block_rows * features), std::vector<float>(block_rows),
              std::vector<std::int32_t>(block_rows)};
  for (std::uint64_t first = 0; first < rows; first += block_rows) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(block_rows, rows - first));
    fill(set, first, count, features, block);
    file.append_rows<float>("/x", {block.x.data(), count, features});
    if (labelled)
      file.append_rows<std::int32_t>("/y", {block.labels.data(), count, 1});
    else
      file.append_rows<float>("/y", {block.y.data(), count, 1});
  }
}

}  // namespace

std::vector<std::pair<std::string, std::string>> generator_names() {
  std::vector<std::pair<std::string, std::string>> names;
  for (const SyntheticKind& kind : synthetic_kinds()) names.emplace_back(kind.name, kind.formula);
  return names;
}

void generate(const GenerateOptions& options) {
  const SyntheticKind& kind = kind_named(options.name);
  const std::size_t features = features_of(options, kind);
  require_sound(options);
  const auto set = kind.make(options.seed, options.noise, features);
  const std::vector<std::string> classes = set->classes();

  PendingFiles outputs;
  h5::File file = h5::File::create(outputs.add(options.output));
  file.create_rows<float>("/x", {.cols = features});
  std::vector<std::string> names;
  for (std::size_t j = 0; j < features; ++j) names.push_back(fmt::format("x{}", j));
  write_names(file, "/x", "names", names);
  if (classes.empty()) {
    file.create_rows<float>("/y", {.cols = 1});
  } else {
    file.create_rows<std::int32_t>("/y", {});
    write_names(file, "/y", "classes", classes);
  }
  write_blocks(file, *set, options.rows, features, !classes.empty());
  file.close();
  outputs.publish();
}

}  // namespace gradloom
