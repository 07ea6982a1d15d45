#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/data/streamed_set.hpp"
#include "gradloom/dataset.hpp"

namespace gradloom {

/// A data set of a run: in memory, or streamed.
template <class T>
class RunSet {
 public:
  RunSet() = default;
  RunSet(Dataset<T> data) : memory_(std::move(data)) {}  // NOLINT(google-explicit-constructor)
  explicit RunSet(std::unique_ptr<StreamedSet<T>> stream) : stream_(std::move(stream)) {}

  [[nodiscard]] bool streamed() const { return stream_ != nullptr; }
  /// Where it is not streamed.
  [[nodiscard]] const Dataset<T>& memory() const { return memory_; }
  [[nodiscard]] Dataset<T>& memory() { return memory_; }
  /// Where it is.
  [[nodiscard]] const StreamedSet<T>& stream() const { return *stream_; }
  [[nodiscard]] StreamedSet<T>& stream() { return *stream_; }

  /// In place, or from here on whenever rows are read.
  void standardize(const Standardization& s) {
    if (streamed()) return stream_->set_standardization(s);
    if (s.features()) standardize_features<T>(s, memory_.x.view());
    if (s.targets() && memory_.outputs() != 0) standardize_targets<T>(s, memory_.y.view());
  }

  /// Without those that are held out.
  [[nodiscard]] std::uint64_t rows() const { return streamed() ? stream_->kept().count() : memory_.rows(); }
  [[nodiscard]] std::size_t features() const { return streamed() ? stream_->shape().features : memory_.features(); }
  [[nodiscard]] std::size_t outputs() const { return streamed() ? stream_->shape().outputs : memory_.outputs(); }
  [[nodiscard]] bool weighted() const { return streamed() ? stream_->shape().weighted : !memory_.weights.empty(); }
  [[nodiscard]] const std::string& name() const { return streamed() ? stream_->name() : memory_.name; }
  [[nodiscard]] const std::vector<std::string>& feature_names() const {
    return streamed() ? stream_->feature_names() : memory_.feature_names;
  }
  [[nodiscard]] const std::vector<std::string>& class_names() const {
    return streamed() ? stream_->class_names() : memory_.class_names;
  }

 private:
  Dataset<T> memory_;
  std::unique_ptr<StreamedSet<T>> stream_;
};

}  // namespace gradloom
