#include "engine/data/source.hpp"

#include <fmt/format.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

#include "engine/data/finite.hpp"
#include "engine/data/row_weights.hpp"
#include "engine/io/hdf5.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

bool stands(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

std::vector<std::string> glob_matches(const std::string& pattern) {
  std::vector<std::string> paths;
  glob_t found{};
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  return paths;  // sorted by glob(3)
}

// "x" for "/x": messages write the slash themselves.
std::string relative(const std::string& path) {
  return path.substr(std::min(path.find_first_not_of('/'), path.size()));
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "/" : ", /") + name;
  return text.empty() ? "nothing" : text;
}

h5::DatasetInfo numeric_info(const h5::File& file, const std::string& path, std::string_view key) {
  if (!file.exists(path)) {
    const std::vector<std::string> names = file.children("/");
    if (std::find(names.begin(), names.end(), path) == names.end())  // a link of another kind is described by info()
      throw DataError(fmt::format("{}: there is no data set /{} (it holds {}); name the right one with {}", file.name(),
                                  path, joined(names), key));
  }
  h5::DatasetInfo info = file.info(path);
  if (!info.numeric())
    throw DataError(fmt::format("{}: /{} holds {}, not numbers", file.name(), path, info.type_name()));
  return info;
}

h5::DatasetInfo target_info(const h5::File& file, const DataSource& source, std::uint64_t rows) {
  h5::DatasetInfo y = numeric_info(file, source.targets, "data.targets");
  if (y.shape.empty() || y.shape.size() > 2 || (y.shape.size() == 2 && y.shape[1] == 0))
    throw DataError(fmt::format("{}: /{} has shape ({}); targets are (rows) or (rows, outputs)", file.name(),
                                source.targets, fmt::join(y.shape, ", ")));
  if (y.shape[0] != rows)
    throw DataError(fmt::format("{}: /{} has {} rows and /{} has {}; they must be as many", file.name(), source.targets,
                                y.shape[0], source.features, rows));
  return y;
}

h5::DatasetInfo weights_info(const h5::File& file, const DataSource& source, std::uint64_t rows) {
  h5::DatasetInfo weights = numeric_info(file, source.weights, source.weights_key);
  const auto& shape = weights.shape;
  if (shape.empty() || shape.size() > 2 || (shape.size() == 2 && shape[1] != 1))
    throw DataError(fmt::format("{}: /{} has shape ({}); weights are (rows), one a row", file.name(), source.weights,
                                fmt::join(shape, ", ")));
  if (shape[0] != rows)
    throw DataError(fmt::format("{}: /{} has {} rows and /{} has {}; they must be as many", file.name(), source.weights,
                                shape[0], source.features, rows));
  return weights;
}

SourceFile source_file(const h5::File& file, const DataSource& source) {
  h5::DatasetInfo x = numeric_info(file, source.features, "data.features");
  if (x.shape.size() != 2)
    throw DataError(fmt::format("{}: /{} has shape ({}); features are (rows, features): reshape it", file.name(),
                                source.features, fmt::join(x.shape, ", ")));
  if (x.shape[0] == 0) throw DataError(fmt::format("{}: /{} has no rows", file.name(), source.features));
  if (x.shape[1] == 0) throw DataError(fmt::format("{}: /{} has no columns", file.name(), source.features));
  h5::DatasetInfo y;
  if (source.with_targets) y = target_info(file, source, x.shape[0]);
  h5::DatasetInfo weights;
  if (!source.weights.empty()) weights = weights_info(file, source, x.shape[0]);
  return {file.name(), std::move(x), std::move(y), std::move(weights)};
}

void require_same(const SourceFile& file, const std::string& set, std::size_t found, std::size_t wanted,
                  const h5::DatasetInfo& info, const h5::DatasetInfo& first_info, const std::string& first) {
  if (found != wanted)
    throw DataError(fmt::format("{}: /{} has {} columns and {} has {}; all files of one data set must agree", file.path,
                                set, found, first, wanted));
  if (info.numeric() && info.type_name() != first_info.type_name())
    throw DataError(fmt::format("{}: /{} holds {} and {} holds {}; all files of one data set must agree", file.path,
                                set, info.type_name(), first, first_info.type_name()));
}

void read_weights(const h5::File& file, const std::string& set, std::span<double> out) {
  file.read_rows<double>(set, 0, column_of(out));
  require_weights(file.name(), set, 0, out);
}

template <class T>
void read_checked(const h5::File& file, const std::string& set, MatrixView<T> out,
                  const std::vector<std::string>& names) {
  file.read_rows<T>(set, 0, out);
  require_finite<T>(file, set, 0, out, names);
}

// Names of a file: none, or the same as those that earlier files gave.
void merge_attribute(const h5::File& file, const std::string& set, const std::string& attribute, std::size_t expected,
                     std::vector<std::string>& names) {
  const std::vector<std::string> found = file.strings_attribute(set, attribute).value_or(std::vector<std::string>{});
  if (found.empty()) return;
  if (expected != 0 && found.size() != expected)
    throw DataError(fmt::format("{}: /{} has {} columns and {} in its attribute {}", file.name(), set, expected,
                                found.size(), attribute));
  if (!names.empty() && names != found)
    throw DataError(fmt::format("{}: /{} has other {} than the files before it", file.name(), set, attribute));
  names = found;
}

void require_memory(const DataSource& source, const SourceShape& shape, std::size_t element_bytes,
                    std::uint64_t limit) {
  const std::uint64_t needed = bytes_in_memory(shape, element_bytes);
  if (needed <= limit) return;
  throw DataError(
      fmt::format("{}: takes {} bytes in memory and data.memory allows {}; raise data.memory, or train on fewer rows "
                  "(sets that are larger than memory cannot be streamed yet)",
                  source_name(source), needed, limit));
}

std::optional<std::uint64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t value = 0;
  if (file >> value) return value;  // "max" is no number
  return std::nullopt;
}

// The lowest memory.max on the way from this process's cgroup (version 2) to the root.
std::uint64_t container_limit() {
  std::uint64_t limit = std::numeric_limits<std::uint64_t>::max();
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    if (!line.starts_with("0::")) continue;
    for (std::string path = line.substr(3);; path.resize(path.rfind('/'))) {
      limit = std::min(limit, number_in("/sys/fs/cgroup" + path + "/memory.max").value_or(limit));
      if (path.find('/') == std::string::npos) break;
    }
  }
  return limit;
}

std::uint64_t machine_memory() {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long bytes = ::sysconf(_SC_PAGESIZE);
  return pages > 0 && bytes > 0 ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(bytes)
                                : std::numeric_limits<std::uint64_t>::max();
}

}  // namespace

std::vector<std::string> expand_files(const std::string& value, const std::string& where) {
  const std::string prefix = where.empty() ? "" : where + ": ";
  if (stands(value)) return {value};  // one file, with blanks in its name or not
  std::vector<std::string> files;
  std::istringstream words(value);
  for (std::string word; words >> word;) {
    if (stands(word)) {
      files.push_back(word);
      continue;
    }
    if (word.find_first_of("*?[") == std::string::npos) throw ConfigError(prefix + "no such file: " + word);
    const std::vector<std::string> matches = glob_matches(word);
    if (matches.empty()) throw ConfigError(prefix + "no file matches " + word);
    files.insert(files.end(), matches.begin(), matches.end());
  }
  if (files.empty()) throw ConfigError(prefix + "names no file");
  return files;
}

DataSource normalized(DataSource source) {
  source.features = relative(source.features);
  source.targets = relative(source.targets);
  source.weights = relative(source.weights);
  return source;
}

std::string source_name(const DataSource& source) {
  if (source.files.size() == 1) return source.files.front();
  return fmt::format("{} and {} more", source.files.front(), source.files.size() - 1);
}

std::vector<SourceFile> source_files(const DataSource& given) {
  const DataSource source = normalized(given);
  std::vector<SourceFile> files;
  for (const std::string& path : source.files) {
    const SourceFile& file = files.emplace_back(source_file(h5::File::open(path, source.external), source));
    const SourceFile& first = files.front();
    require_same(file, source.features, file.x.shape[1], first.x.shape[1], file.x, first.x, first.path);
    require_same(file, source.targets, file.outputs(), first.outputs(), file.y, first.y, first.path);
  }
  return files;
}

SourceShape source_shape(const std::vector<SourceFile>& files) {
  SourceShape whole{0, files.front().x.shape[1], files.front().outputs(), !files.front().weights.shape.empty()};
  for (const SourceFile& file : files) whole.rows += file.rows();
  return whole;
}

SourceShape source_shape(const DataSource& source) { return source_shape(source_files(source)); }

void merge_names(const h5::File& file, const DataSource& source, std::size_t features, SourceNames& names) {
  merge_attribute(file, source.features, "names", features, names.features);
  if (source.with_targets) merge_attribute(file, source.targets, "classes", 0, names.classes);
}

std::uint64_t row_bytes_in_memory(const SourceShape& shape, std::size_t element_bytes) {
  return (shape.features + shape.outputs) * element_bytes + (shape.weighted ? sizeof(double) : 0);
}

std::uint64_t bytes_in_memory(const SourceShape& shape, std::size_t element_bytes) {
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(shape.rows, row_bytes_in_memory(shape, element_bytes), &bytes))
    return std::numeric_limits<std::uint64_t>::max();
  return bytes;
}

template <class T>
Dataset<T> read_dataset(const DataSource& given, std::uint64_t memory_limit) {
  const DataSource source = normalized(given);
  const SourceShape shape = source_shape(source);
  require_memory(source, shape, sizeof(T), memory_limit);
  Dataset<T> data;
  data.name = source_name(source);
  data.x = Matrix<T>(shape.rows, shape.features);
  if (shape.outputs != 0) data.y = Matrix<T>(shape.rows, shape.outputs);
  if (shape.weighted) data.weights.resize(shape.rows);
  SourceNames names;
  std::size_t first = 0;
  for (const std::string& path : source.files) {
    const h5::File file = h5::File::open(path, source.external);
    const std::size_t rows = file.info(source.features).shape[0];
    if (rows > shape.rows - first) throw DataError(path + ": changed while it was read");
    merge_names(file, source, shape.features, names);
    read_checked<T>(file, source.features, data.x.view().row_range(first, rows), names.features);
    if (shape.outputs != 0) read_checked<T>(file, source.targets, data.y.view().row_range(first, rows), {});
    if (shape.weighted) read_weights(file, source.weights, std::span(data.weights).subspan(first, rows));
    first += rows;
  }
  data.feature_names = std::move(names.features);
  data.class_names = std::move(names.classes);
  return data;
}

h5::External external_of(const Config& config) {
  return config.data.allow_external ? h5::External::kFollow : h5::External::kRefuse;
}

std::uint64_t memory_limit(const Config& config) {
  if (config.data.memory != 0) return config.data.memory;
  return usable_memory() / 4;
}

std::uint64_t usable_memory() { return std::min(machine_memory(), container_limit()); }

template Dataset<float> read_dataset<float>(const DataSource&, std::uint64_t);
template Dataset<double> read_dataset<double>(const DataSource&, std::uint64_t);

}  // namespace gradloom
