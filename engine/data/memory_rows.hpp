#pragma once

#include <optional>

#include "engine/data/epoch_rows.hpp"
#include "engine/data/sampler.hpp"
#include "gradloom/dataset.hpp"

namespace gradloom {

/// Rows of a set in memory, each epoch a permutation of all of them.
template <class T>
class MemoryRows final : public EpochRows<T> {
 public:
  /// `data` must outlive this and stay unchanged.
  MemoryRows(const Dataset<T>& data, std::uint64_t seed) : data_(data), seed_(seed) {}

  [[nodiscard]] std::uint64_t rows() const override { return data_.rows(); }
  [[nodiscard]] std::size_t features() const override { return data_.x.cols(); }
  [[nodiscard]] std::size_t targets() const override { return data_.y.cols(); }
  [[nodiscard]] bool weighted() const override { return !data_.weights.empty(); }
  void require(std::uint64_t epoch, std::uint64_t first, std::uint64_t count) override;
  void gather(std::uint64_t first, std::span<std::uint64_t> numbers, MatrixView<T> x, MatrixView<T> y,
              double* weights) const override;
  [[nodiscard]] std::uint64_t source_row(std::uint64_t number) const override { return data_.source_row(number); }

 private:
  const Dataset<T>& data_;
  const std::uint64_t seed_;
  std::uint64_t epoch_ = 0;
  std::optional<KeyedPermutation> order_;  ///< of epoch_
};

}  // namespace gradloom
