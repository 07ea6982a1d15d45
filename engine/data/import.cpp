#include "gradloom/import.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "engine/data/import_csv.hpp"
#include "engine/data/import_idx.hpp"
#include "engine/data/import_libsvm.hpp"
#include "engine/data/import_npy.hpp"
#include "engine/data/import_parts.hpp"
#include "engine/data/import_sources.hpp"
#include "engine/io/idx.hpp"
#include "engine/io/input_file.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/text_blocks.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

std::string_view name_of(SourceFormat format) {
  switch (format) {
    case SourceFormat::kTable:
      return "CSV or TSV";
    case SourceFormat::kLibsvm:
      return "LIBSVM";
    case SourceFormat::kIdx:
      return "IDX";
    case SourceFormat::kNpy:
      return "NPY";
    case SourceFormat::kNpz:
      return "NPZ";
    case SourceFormat::kDetect:
      break;
  }
  return "unknown";
}

bool ends_with_any(std::string name, std::initializer_list<std::string_view> endings) {
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  return std::any_of(endings.begin(), endings.end(), [&](std::string_view ending) { return name.ends_with(ending); });
}

std::string first_bytes(const ImportSource& source) {
  InputFile input(source.path, source.name);
  std::array<char, 4> bytes{};
  return {bytes.data(), input.read(bytes)};
}

bool holds_libsvm(const ImportSource& source) {
  constexpr std::size_t kBlockBytes = 64 << 10;
  if (ends_with_any(source.name, {".libsvm", ".svmlight", ".svm"})) return true;
  TextBlockReader reader(source.path, source.name, kBlockBytes);
  TextBlock block;
  return reader.next(block) && looks_like_libsvm(block);
}

// By content, or else by name, so that a damaged file is refused as what it was meant to be.
SourceFormat detect(const ImportSource& source) {
  const std::string start = first_bytes(source);
  if (start == "\x89HDF")
    throw ConfigError(fmt::format("{}: is an HDF5 file already; name it in data.train as it is", source.name));
  if (start.starts_with("PK") || ends_with_any(source.name, {".npz"})) return SourceFormat::kNpz;
  if (looks_like_npy(source.path) || ends_with_any(source.name, {".npy"})) return SourceFormat::kNpy;
  const bool named_like_idx = source.name.find("-ubyte") != std::string::npos || ends_with_any(source.name, {".idx"});
  if (looks_like_idx(source.path) || named_like_idx) return SourceFormat::kIdx;
  return holds_libsvm(source) ? SourceFormat::kLibsvm : SourceFormat::kTable;
}

SourceFormat detect_all(const std::vector<ImportSource>& sources) {
  const SourceFormat format = detect(sources.front());
  for (const ImportSource& source : sources) {
    const SourceFormat other = detect(source);
    if (other != format)
      throw ConfigError(fmt::format("import: {} is {} and {} is {}; sources are of one format, --format says which",
                                    sources.front().name, name_of(format), source.name, name_of(other)));
  }
  return format;
}

// Options that mean nothing to a format are refused, not ignored.
void require_fitting_options(const ImportOptions& options, const std::string& source, SourceFormat format) {
  using enum SourceFormat;
  struct Rule {
    std::string_view option;
    bool given;
    std::vector<SourceFormat> formats;
    std::string_view for_what;
  };
  const std::array<Rule, 9> rules{{
      {"--target", !options.targets.empty(), {kTable}, "CSV and TSV"},
      {"--weight", !options.weight.empty(), {kTable}, "CSV and TSV"},
      {"--categorical", !options.categorical.empty(), {kTable}, "CSV and TSV"},
      {"--header or --no-header", options.header != HeaderMode::kDetect, {kTable}, "CSV and TSV"},
      {"--missing", options.missing != MissingCells::kError, {kTable}, "CSV and TSV"},
      {"--features", options.features.has_value(), {kLibsvm}, "LIBSVM"},
      {"--zero-based", options.zero_based, {kLibsvm}, "LIBSVM"},
      {"--array", !options.arrays.empty(), {kNpz}, "NPZ"},
      {"--scale",
       options.scale != 1,
       {kIdx, kNpy, kNpz},
       "IDX, NPY and NPZ (data.standardize scales columns while training)"},
  }};
  for (const Rule& rule : rules)
    if (rule.given && std::find(rule.formats.begin(), rule.formats.end(), format) == rule.formats.end())
      throw ConfigError(fmt::format("{} is for {}; {} is {}", rule.option, rule.for_what, source, name_of(format)));
}

ImportReport import_npz(const ImportOptions& options, ImportSources& sources) {
  if (sources.all().size() > 1)
    throw ConfigError(
        fmt::format("import: takes one NPZ file, not {}; --array names its arrays", sources.all().size()));
  if (options.arrays.size() > 2)
    throw ConfigError(
        fmt::format("import: takes an --array of features and at most one of targets, not {}", options.arrays.size()));
  sources.unpack_npz(options);
  return import_npy(options, sources.all(), "NPZ");
}

}  // namespace

ImportReport import_data(const ImportOptions& options) {
  if (options.sources.empty()) throw ConfigError("import: names no source");
  if (options.output.empty()) throw ConfigError("import: --output FILE.h5 is missing");
  require_sound_outputs(options);
  ImportSources sources(options);
  const SourceFormat format = options.format == SourceFormat::kDetect ? detect_all(sources.all()) : options.format;
  require_fitting_options(options, sources.all().front().name, format);
  switch (format) {
    case SourceFormat::kLibsvm:
      return import_libsvm(options, sources.all());
    case SourceFormat::kIdx:
      return import_idx(options, sources.all());
    case SourceFormat::kNpy:
      return import_npy(options, sources.all(), "NPY");
    case SourceFormat::kNpz:
      return import_npz(options, sources);
    default:
      return import_csv(options, sources.all());
  }
}

}  // namespace gradloom
