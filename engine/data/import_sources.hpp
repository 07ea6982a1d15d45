#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/io/scratch_file.hpp"
#include "gradloom/import.hpp"

namespace gradloom {

/// A file to import from.
struct ImportSource {
  std::string name;  ///< what messages call it: its path as the user wrote it, "standard input", "a.npz: x"
  std::string path;  ///< opens it from its beginning, as often as one likes
};

/// The sources of an import, ready to be read as often as one likes: what can be read only once, standard input and
/// pipes, is copied beside the output first, into files that are gone with this object, however the process ends.
class ImportSources {
 public:
  /// ConfigError where a source does not exist, is no file and no pipe, or where standard input is named twice.
  explicit ImportSources(const ImportOptions& options);

  [[nodiscard]] const std::vector<ImportSource>& all() const { return sources_; }
  /// Of the only source, an NPZ file, the arrays of features and of targets that the options name or that its names
  /// tell, as sources of their own. ConfigError where neither does.
  void unpack_npz(const ImportOptions& options);

 private:
  ScratchFile& add_spool(const ImportOptions& options);

  std::vector<ImportSource> sources_;
  std::vector<std::unique_ptr<ScratchFile>> spools_;
};

/// Bytes of all sources, as they stand on disk.
std::uint64_t total_bytes(const std::vector<ImportSource>& sources);

}  // namespace gradloom
