#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace gradloom {

/// The `checkpoints` folder of a run: names, retention, recovery. One thread at a time.
class CheckpointStore {
 public:
  /// `folder` need not exist yet.
  explicit CheckpointStore(std::string folder) : folder_(std::move(folder)) {}

  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] std::string path_of(std::uint64_t step) const;  ///< FOLDER/step-NNNNNNNNNNNN.h5
  [[nodiscard]] std::string best_path() const;                  ///< FOLDER/best.h5

  /// Steps that have a file of the right name, ascending. Nothing is opened.
  [[nodiscard]] std::vector<std::uint64_t> steps() const;

  /// The newest file that is whole, or nothing; each damaged one on the way is told to `on_damaged` (its message).
  /// FileError where the system does not let a file be read: that may pass, and nobody is to go on from an older one
  /// for it.
  [[nodiscard]] std::optional<std::string> newest_valid(
      const std::function<void(const std::string&)>& on_damaged) const;

  /// Writes the file of these parts durably; returns the path. On FileError older checkpoints stand unchanged.
  std::string write(std::uint64_t step, std::span<const std::span<const std::byte>> parts);

  /// Makes best.h5 another name of that step's file.
  void set_best(std::uint64_t step);

  /// Removes step files but the `keep_last` newest and those of `keep_also`. Call only when a newer one is durable.
  /// Nothing waits for a disk here: what a crash of the machine brings back goes with the next call.
  void prune(std::size_t keep_last, const std::vector<std::uint64_t>& keep_also);

  /// Removes temporary files that a killed process left.
  void remove_leftovers();

 private:
  std::string folder_;
};

/// CHECKPOINT of the command line: the file itself, or for a run folder (or its `checkpoints` folder) best.h5, else
/// the newest whole one. CheckpointError where there is none.
std::string resolve_checkpoint(const std::string& path);

}  // namespace gradloom
