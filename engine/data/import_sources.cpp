#include "engine/data/import_sources.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <span>
#include <system_error>

#include "engine/data/pending_files.hpp"
#include "engine/io/descriptor.hpp"
#include "engine/io/npz.hpp"
#include "engine/io/system_calls.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kCopiedBytes = 1 << 20;
constexpr const char* kStandardInput = "-";

void report(const ImportOptions& options, const std::string& phase, std::uint64_t done, std::uint64_t total) {
  if (options.on_progress) options.on_progress({phase, done, total});
}

// All that comes out of a descriptor.
void copy(int from, const std::string& name, ScratchFile& to, const ImportOptions& options) {
  std::vector<char> piece(kCopiedBytes);
  for (std::uint64_t done = 0;;) {
    const ssize_t count = sys::read(from, piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_call_failed(name, "read", errno);
    if (count == 0) return;
    to.append(std::as_bytes(std::span(piece).first(static_cast<std::size_t>(count))));
    done += static_cast<std::uint64_t>(count);
    report(options, "receiving", done, 0);
  }
}

bool is_pipe(const std::string& path) {
  std::error_code absent;
  const fs::file_status status = fs::status(path, absent);
  if (fs::is_character_file(status) || fs::is_block_file(status))
    throw ConfigError(fmt::format("{}: is a device; name a file, a pipe, or - for standard input", path));
  return fs::is_fifo(status) || fs::is_socket(status);
}

std::size_t array_called(const NpzFile& npz, const std::string& name, const std::string& archive) {
  const auto found = std::find(npz.arrays().begin(), npz.arrays().end(), name);
  if (found != npz.arrays().end()) return static_cast<std::size_t>(found - npz.arrays().begin());
  throw ConfigError(
      fmt::format("--array {}: {} has no such array; it holds {}", name, archive, fmt::join(npz.arrays(), ", ")));
}

// Features, and targets where there are any.
std::vector<std::size_t> choose_arrays(const NpzFile& npz, const std::string& archive, const ImportOptions& options) {
  std::vector<std::size_t> chosen;
  for (const std::string& name : options.arrays) chosen.push_back(array_called(npz, name, archive));
  if (!chosen.empty()) return chosen;
  const std::vector<std::string>& names = npz.arrays();
  if (names.empty()) throw DataError(fmt::format("{}: holds no arrays", archive));
  const auto either = [&](const char* lower, const char* upper) {
    const auto found =
        std::find_if(names.begin(), names.end(), [&](const auto& n) { return n == lower || n == upper; });
    return static_cast<std::size_t>(found - names.begin());
  };
  const std::size_t x = either("x", "X"), y = either("y", "Y");
  if (x < names.size() && y < names.size()) return {x, y};
  if (x < names.size() || names.size() == 1) return {std::min(x, names.size() - 1)};
  if (names == std::vector<std::string>{"arr_0", "arr_1"}) return {0, 1};  // as numpy.savez names x and y itself
  throw ConfigError(
      fmt::format("{}: holds the arrays {}; name that of the features and that of the targets, such as --array {} "
                  "--array {}",
                  archive, fmt::join(names, ", "), names[0], names[1]));
}

}  // namespace

ImportSources::ImportSources(const ImportOptions& options) {
  for (const std::string& source : options.sources) {
    if (source == kStandardInput) {
      if (std::count(options.sources.begin(), options.sources.end(), source) > 1)
        throw ConfigError("import: - stands for standard input, which can be read only once");
      ScratchFile& spool = add_spool(options);
      sources_.push_back({"standard input", spool.path()});
      copy(STDIN_FILENO, sources_.back().name, spool, options);
    } else if (is_pipe(source)) {
      const Descriptor pipe(source, O_RDONLY);
      ScratchFile& spool = add_spool(options);
      sources_.push_back({source, spool.path()});
      copy(pipe.id(), source, spool, options);
    } else {
      sources_.push_back({source, source});
    }
  }
}

ScratchFile& ImportSources::add_spool(const ImportOptions& options) {
  spools_.push_back(std::make_unique<ScratchFile>(folder_of_output(options.output)));
  return *spools_.back();
}

void ImportSources::unpack_npz(const ImportOptions& options) {
  const ImportSource archive = sources_.front();
  const NpzFile npz(archive.path, archive.name);
  sources_.clear();
  for (const std::size_t array : choose_arrays(npz, archive.name, options)) {
    ScratchFile& spool = add_spool(options);
    sources_.push_back({fmt::format("{}: {}", archive.name, npz.arrays()[array]), spool.path()});
    const std::uint64_t total = npz.bytes(array);
    std::uint64_t done = 0;
    npz.extract(array, [&](std::span<const char> piece) {
      spool.append(std::as_bytes(piece));
      done += piece.size();
      report(options, "unpacking", done, total);
    });
  }
}

std::uint64_t total_bytes(const std::vector<ImportSource>& sources) {
  std::uint64_t total = 0;
  for (const ImportSource& source : sources) {
    std::error_code vanished;  // reading it says so better
    const std::uint64_t size = fs::file_size(source.path, vanished);
    total += vanished ? 0 : size;
  }
  return total;
}

}  // namespace gradloom
