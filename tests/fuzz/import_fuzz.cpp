// The whole of `gradloom import`: sources of any format, options, and the files that come out. Outputs appear whole or
// not at all.

#include <filesystem>
#include <numeric>

#include "gradloom/import.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace gradloom::fuzz {
namespace {

namespace fs = std::filesystem;

/// A folder in memory, where there is one; emptied after every input.
class OutputFolder {
 public:
  OutputFolder() : path_(fs::exists("/dev/shm") ? "/dev/shm/gradloom-fuzz-XXXXXX" : "/tmp/gradloom-fuzz-XXXXXX") {
    require(mkdtemp(path_.data()) != nullptr, "mkdtemp succeeds");
  }
  ~OutputFolder() { fs::remove_all(path_); }
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool empty() const { return fs::is_empty(path_); }
  void clear() const {
    for (const auto& entry : fs::directory_iterator(path_)) fs::remove(entry);
  }

 private:
  std::string path_;
};

ImportOptions options_of(Choices& choices) {
  ImportOptions options;
  const std::uint8_t flags = choices.byte(), targets = choices.byte();
  options.classify = (flags & 1U) != 0;
  options.header = static_cast<HeaderMode>((flags >> 1U & 3U) % 3U);
  options.missing = static_cast<MissingCells>((flags >> 3U & 3U) % 3U);
  if ((flags & 32U) != 0) options.scale = 0.5;
  if ((flags & 64U) != 0) options.split = {0.5, 0.25, 0.25};
  if ((targets & 1U) != 0) options.targets.emplace_back("-1");
  if ((targets & 2U) != 0) options.targets.emplace_back("a");
  if ((targets & 4U) != 0) options.categorical.emplace_back("0");
  if ((targets & 8U) != 0) options.features = 7;
  if ((targets & 16U) != 0) options.zero_based = true;
  if ((targets & 32U) != 0) options.arrays = {"x", "y"};
  if ((targets & 64U) != 0) options.format = SourceFormat::kLibsvm;
  options.threads = (targets & 128U) != 0 ? 2 : 1;
  return options;
}

// "1 9999999:1" asks for rows of 80 MB, which is slow and no fault.
bool has_far_index(std::string_view text) {
  std::size_t digits = 0;
  for (const char c : text) {
    if (c == ':' && digits > 4) return true;
    digits = c >= '0' && c <= '9' ? digits + 1 : 0;
  }
  return false;
}

// One source, or two that a place in the input cuts apart.
void hold_sources(ImportOptions& options, Choices& choices, const MemoryFile& first, const MemoryFile& second) {
  const std::size_t cut = choices.byte() | static_cast<std::size_t>(choices.byte()) << 8U;
  const std::string_view content = choices.rest();
  first.hold(content.substr(0, cut == 0 ? content.size() : cut));
  options.sources = {first.path()};
  if (cut == 0 || cut >= content.size()) return;
  second.hold(content.substr(cut));
  options.sources.push_back(second.path());
}

}  // namespace
}  // namespace gradloom::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gradloom;
  using fuzz::require;
  static const fuzz::MemoryFile first, second;
  static const fuzz::OutputFolder folder;
  fuzz::Choices choices(fuzz::as_text(data, size));
  ImportOptions options = fuzz::options_of(choices);
  if (fuzz::has_far_index(choices.rest())) return 0;
  fuzz::hold_sources(options, choices, first, second);
  options.output = folder.path() + "/out.h5";
  const auto report = fuzz::accepted([&] { return import_data(options); });
  if (!report) {
    require(folder.empty(), "a refusal leaves nothing");
    return 0;
  }
  require(report->features > 0, "a data set has features");
  std::uint64_t rows = 0;
  for (const ImportedFile& file : report->files) {
    rows += file.rows;
    require(std::filesystem::file_size(file.path) > 0, "the files that are reported stand there");
  }
  require(rows == report->source_rows - report->dropped_rows && rows > 0, "every row is in one of the files");
  folder.clear();
  return 0;
}
