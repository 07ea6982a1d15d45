#include "gradloom/import.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "engine/data/import_csv.hpp"
#include "engine/data/import_idx.hpp"
#include "engine/data/import_npy.hpp"
#include "engine/data/import_parts.hpp"
#include "engine/io/idx.hpp"
#include "engine/io/input_file.hpp"
#include "engine/io/npy.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

// Formats that are not imported, told by their first bytes.
void refuse_foreign(const std::string& path) {
  InputFile input(path);
  std::array<char, 6> bytes{};
  const std::string_view start(bytes.data(), input.read(bytes));
  if (start.starts_with("\x89HDF"))
    throw ConfigError(fmt::format("{}: is an HDF5 file already; name it in data.train as it is", path));
  if (start.starts_with("PK"))
    throw ConfigError(fmt::format(
        "{}: NPZ and other archives cannot be imported yet; save its arrays as NPY files with numpy.save", path));
}

bool is_named_like_idx(const std::string& path) {
  return path.find("-ubyte") != std::string::npos || path.ends_with(".idx") || path.ends_with(".idx.gz");
}

// By content, or else by name, so that a damaged file is refused as what it was meant to be.
bool is_npy(const std::string& path) {
  return looks_like_npy(path) || path.ends_with(".npy") || path.ends_with(".npy.gz");
}

}  // namespace

ImportReport import_data(const ImportOptions& options) {
  if (options.sources.empty()) throw ConfigError("import: names no source");
  if (options.output.empty()) throw ConfigError("import: --output FILE.h5 is missing");
  for (const std::string& source : options.sources) refuse_foreign(source);
  require_sound_outputs(options);
  const std::string& first = options.sources.front();
  for (const std::string& source : options.sources)
    if (is_npy(source) != is_npy(first))
      throw ConfigError(fmt::format("import: {} and {} are not both NPY; sources are of one format", first, source));
  if (is_npy(first)) return import_npy(options);
  if (looks_like_idx(first) || is_named_like_idx(first)) return import_idx(options);
  if (options.scale != 1)
    throw ConfigError("--scale is for IDX and NPY; data.standardize scales columns while training");
  return import_csv(options);
}

}  // namespace gradloom
