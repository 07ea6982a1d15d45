#include "engine/data/row_table.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/data/row_stream.hpp"
#include "engine/data/source.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

// What a set is for: the option that names it, and what its rows may be.
struct Use {
  const char* option;
  const char* plural;
  bool flat_allowed;
  bool one_column;
  std::vector<const char*> labels;
};

const Use kFeatures{"--features", "features are (rows, features)", false, false, {"names"}};
const Use kTargets{"--targets", "targets are (rows) or (rows, outputs)", true, false, {"names", "classes"}};
const Use kWeights{"--weights", "weights are (rows) or (rows, 1)", true, true, {}};

std::string without_slash(const std::string& path) {
  return path.substr(std::min(path.find_first_not_of('/'), path.size()));
}

// A name and its use; a set that is both features and targets stands once.
using Wanted = std::vector<std::pair<std::string, const Use*>>;
Wanted wanted_sets(const RepackOptions& options) {
  Wanted wanted;
  const auto add = [&](const std::string& name, const Use& use) {
    const std::string path = without_slash(name);
    if (path.empty()) return;
    if (std::none_of(wanted.begin(), wanted.end(), [&](const auto& w) { return w.first == path; }))
      wanted.emplace_back(path, &use);
  };
  if (without_slash(options.features).empty()) throw ConfigError("repack: --features must name a data set");
  add(options.features, kFeatures);
  add(options.targets, kTargets);
  add(options.weights, kWeights);
  return wanted;
}

[[noreturn]] void throw_absent(const h5::File& file, const std::string& path, const Use& use) {
  std::string held;
  for (const std::string& name : file.children("/")) held += (held.empty() ? "/" : ", /") + name;
  throw DataError(fmt::format("{}: there is no data set /{} (it holds {}); name the right one with {}{}", file.name(),
                              path, held.empty() ? "nothing" : held, use.option,
                              &use == &kTargets ? ", or give --targets none" : ""));
}

h5::DatasetInfo checked_info(const h5::File& file, const std::string& path, const Use& use) {
  const std::string top = path.substr(0, path.find('/'));
  const auto held = file.children("/");
  if (!file.exists(path) && std::find(held.begin(), held.end(), top) == held.end()) throw_absent(file, path, use);
  h5::DatasetInfo info = file.info(path);  // tells of links and of what is missing in a group
  if (!info.numeric())
    throw DataError(fmt::format("{}: /{} holds {}, not numbers", file.name(), path, info.type_name()));
  const bool flat = info.shape.size() == 1;
  if ((flat ? !use.flat_allowed : info.shape.size() != 2) || (use.one_column && !flat && info.shape[1] != 1))
    throw DataError(fmt::format("{}: /{} has shape ({}); {}: reshape it", file.name(), path,
                                fmt::join(info.shape, ", "), use.plural));
  if (info.shape[0] == 0) throw DataError(fmt::format("{}: /{} has no rows", file.name(), path));
  if (!flat && info.shape[1] == 0) throw DataError(fmt::format("{}: /{} has no columns", file.name(), path));
  return info;
}

// The type that holds every number of one which a file of ours cannot have. Training goes through float64 at most.
h5::NumberType nearest_type(const std::string& file, const std::string& path, const h5::DatasetInfo& info) {
  using h5::NumberType;
  if (info.type_class == h5::TypeClass::kFloat) return NumberType::kFloat64;
  if (info.type_bytes > 8)
    throw DataError(
        fmt::format("{}: /{} holds {}; integers of at most 8 bytes can be kept", file, path, info.type_name()));
  if (info.type_bytes == 1) return info.is_signed ? NumberType::kInt8 : NumberType::kUint8;
  if (info.type_bytes == 2) return info.is_signed ? NumberType::kInt16 : NumberType::kUint16;
  if (info.type_bytes <= 4) return info.is_signed ? NumberType::kInt32 : NumberType::kUint32;
  return info.is_signed ? NumberType::kInt64 : NumberType::kUint64;
}

RowSet set_of(const h5::File& file, const std::string& path, const h5::DatasetInfo& info) {
  RowSet set;
  set.path = path;
  set.exact = info.number.has_value();
  set.type = set.exact ? *info.number : nearest_type(file.name(), path, info);
  set.stored_type = info.type_name();
  set.flat = info.shape.size() == 1;
  set.cols = set.flat ? 1 : info.shape[1];
  return set;
}

// Labels of a file: none, or the same as those that earlier files gave.
void merge_labels(const h5::File& file, const Use& use, RowSet& set) {
  for (const char* attribute : use.labels) {
    const auto found = file.strings_attribute(set.path, attribute);
    if (!found || found->empty()) continue;
    const auto known =
        std::find_if(set.labels.begin(), set.labels.end(), [&](const auto& l) { return l.first == attribute; });
    if (known == set.labels.end())
      set.labels.emplace_back(attribute, *found);
    else if (known->second != *found)
      throw DataError(fmt::format("{}: /{} has other {} than the files before it", file.name(), set.path, attribute));
  }
}

void require_like(const std::string& file, const RowSet& found, const RowSet& first, const std::string& first_file) {
  if (found.cols != first.cols)
    throw DataError(fmt::format("{}: /{} has {} columns and {} has {}; all files of one data set must agree", file,
                                found.path, found.cols, first_file, first.cols));
  if (found.type != first.type || found.exact != first.exact)
    throw DataError(fmt::format("{}: /{} holds {} and {} holds {}; all files of one data set must agree", file,
                                found.path, found.stored_type, first_file, first.stored_type));
}

void note_left_out(const h5::File& file, const Wanted& wanted, std::vector<std::string>& left_out) {
  for (const std::string& name : file.children("/")) {
    const auto holds = [&](const auto& w) { return w.first.substr(0, w.first.find('/')) == name; };
    if (std::any_of(wanted.begin(), wanted.end(), holds)) continue;
    if (std::find(left_out.begin(), left_out.end(), "/" + name) == left_out.end()) left_out.push_back("/" + name);
  }
}

void examine_file(const std::string& path, const Wanted& wanted, RowTable& table) {
  const h5::File file = h5::File::open(path);
  const bool is_first = table.sets.empty();
  std::uint64_t rows = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto& [name, use] = wanted[i];
    const h5::DatasetInfo info = checked_info(file, name, *use);
    if (i == 0) rows = info.shape[0];
    if (info.shape[0] != rows)
      throw DataError(fmt::format("{}: /{} has {} rows and /{} has {}; they must be as many", path, name, info.shape[0],
                                  wanted.front().first, rows));
    const RowSet found = set_of(file, name, info);
    if (is_first) table.sets.push_back(found);
    require_like(path, found, table.sets[i], table.files.front());
    merge_labels(file, *use, table.sets[i]);
  }
  table.file_rows.push_back(rows);
  table.rows += rows;
  note_left_out(file, wanted, table.left_out);
}

// The sets as they were when they were examined.
std::vector<RowStream> open_streams(const h5::File& file, const RowTable& table, std::uint64_t rows,
                                    std::uint64_t memory, const std::string& beside) {
  std::vector<RowStream> streams;
  for (const RowSet& set : table.sets) {
    const h5::DatasetInfo info = file.info(set.path);
    const bool same = info.numeric() && !info.shape.empty() && info.shape.size() <= 2 && info.shape[0] == rows &&
                      (info.shape.size() == 1 ? 1 : info.shape[1]) == set.cols;
    if (!same) throw DataError(file.name() + ": changed while it was read");
    streams.emplace_back(file, set, info, memory, beside);
  }
  return streams;
}

}  // namespace

std::size_t RowTable::row_bytes() const {
  std::size_t bytes = 0;
  for (const RowSet& set : sets) bytes += set.row_bytes();
  return bytes;
}

RowBuffer::RowBuffer(const std::vector<RowSet>& sets, std::size_t rows) {
  for (const RowSet& set : sets) sets_.emplace_back(rows * set.row_bytes());
}

TableBlock RowBuffer::block(std::uint64_t first, std::size_t rows) const {
  TableBlock block{first, rows, {}};
  for (const auto& set : sets_) block.sets.push_back(set.data());
  return block;
}

RowTable examine_rows(const RepackOptions& options) {
  const Wanted wanted = wanted_sets(options);
  RowTable table;
  for (const std::string& source : options.sources)
    for (const std::string& path : expand_files(source, "repack")) table.files.push_back(path);
  if (table.files.empty()) throw ConfigError("repack: names no source");
  for (const std::string& path : table.files) examine_file(path, wanted, table);
  return table;
}

void for_each_block(const RowTable& table, std::uint64_t memory, const std::string& beside,
                    const std::function<void(const TableBlock&)>& use) {
  const auto most = static_cast<std::size_t>(std::max<std::uint64_t>(memory / 8 / table.row_bytes(), 1));
  std::uint64_t first = 0;
  for (std::size_t i = 0; i < table.files.size(); ++i) {
    const h5::File file = h5::File::open(table.files[i]);
    const std::uint64_t rows = table.file_rows[i];
    std::vector<RowStream> streams = open_streams(file, table, rows, memory, beside);
    RowBuffer buffer(table.sets, static_cast<std::size_t>(std::min<std::uint64_t>(most, rows)));
    for (std::uint64_t done = 0; done < rows; done += most) {
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(most, rows - done));
      for (std::size_t s = 0; s < streams.size(); ++s) streams[s].next(count, buffer.set(s));
      use(buffer.block(first + done, count));
    }
    first += rows;
  }
}

}  // namespace gradloom
