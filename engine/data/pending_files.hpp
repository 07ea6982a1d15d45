#pragma once

#include <string>
#include <utility>
#include <vector>

namespace gradloom {

/// Files that appear together and whole, or not at all: each is written under a temporary name (`.NAME.tmp-PID`) in its
/// own folder, publish() renames them. What was not published is removed.
class PendingFiles {
 public:
  PendingFiles() = default;
  ~PendingFiles();
  PendingFiles(const PendingFiles&) = delete;
  PendingFiles& operator=(const PendingFiles&) = delete;

  /// The temporary name to write. FileError where the folder of `path` does not exist; ConfigError where `path` is a
  /// folder, a device or another thing that is no file.
  std::string add(const std::string& path);

  /// Renames all of them. FileError where that fails: then none of them stays.
  void publish();

 private:
  struct Pending {
    std::string temporary, path;
  };
  std::vector<Pending> files_;
};

/// The folder that an output is written in, "." where it names none. FileError where it does not exist.
std::string folder_of_output(const std::string& path);

}  // namespace gradloom
