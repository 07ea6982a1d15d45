#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/checkpoint/checkpoint.hpp"
#include "engine/checkpoint/format.hpp"
#include "engine/io/hdf5.hpp"

namespace gradloom {

/// A checkpoint file on its way, in memory: 512-byte user block (format.hpp), then an HDF5 file. Everything but the
/// numbers of the moment is built beforehand, and tensors are copied to the place in the file where they belong: the
/// image is the only copy of the state that writing a checkpoint takes.
template <class T>
class CheckpointImage {
 public:
  /// What `run` points at must outlive the image.
  explicit CheckpointImage(const RunFacts& run);

  /// Copies flat blocks of the run's layout: the parameters, the optimizer's states in the order of run.states, and
  /// where run.averaged the average.
  void set_tensors(const T* parameters, std::span<const T* const> states, const T* average);
  /// The rest. Once, behind set_tensors().
  void complete(const Progress& progress, double elapsed_seconds);
  /// The file's bytes, behind complete(). They go with the image.
  [[nodiscard]] std::array<std::span<const std::byte>, 2> parts() const { return {user_block_, payload_}; }
  [[nodiscard]] std::uint64_t bytes() const { return user_block_.size() + payload_.size(); }

 private:
  /// Running averages are among the parameters and have no optimizer state.
  template <class Path>
  void reserve_block(const Path& path, bool with_averages);

  RunFacts run_;
  h5::File file_;
  std::vector<std::uint64_t> places_;  ///< of each layer's tensors, block after block, in the file's memory
  std::array<std::byte, kUserBlockBytes> user_block_{};
  std::span<const std::byte> payload_;
};

}  // namespace gradloom
