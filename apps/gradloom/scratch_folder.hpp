#pragma once

#include <string>

/// A folder of its own beside another one that need not exist, `<beside>.verify-XXXXXX`; removed with all that is in it
/// unless it is kept. So are the folders above it that were missing, as far as they are empty then.
class ScratchFolder {
 public:
  /// FileError where it cannot be made.
  explicit ScratchFolder(const std::string& beside);
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  void keep() { kept_ = true; }

 private:
  std::string path_;
  std::string first_made_;  ///< the topmost folder above it that was missing; empty: none was
  bool kept_ = false;
};
