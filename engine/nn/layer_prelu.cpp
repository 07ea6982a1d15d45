#include "engine/nn/layer_prelu.hpp"

#include <algorithm>

#include "engine/core/rounding.hpp"

namespace gradloom {

template <class T>
LayerPrelu<T>::LayerPrelu(const LayerLayout& layer, std::size_t max_rows, std::size_t shard_rows)
    : shared_(layer.slopes == Slopes::kOne), units_(layer.units), offset_(layer.slope_offset), shard_rows_(shard_rows) {
  if (shard_rows == 0) return;
  shards_ = ShardSums(divide_up(max_rows, shard_rows), units_);
  joined_ = AlignedBuffer<double>(units_);
  gradient_ = AlignedBuffer<T>(layer.slope_count());
}

template <class T>
void LayerPrelu<T>::activate(const T* parameters, MatrixView<const T> z, MatrixView<T> y) const {
  activate_prelu<T>(slopes(parameters), z, y);
}

template <class T>
void LayerPrelu<T>::differentiate(const T* parameters, std::size_t first_row, MatrixView<const T> z, MatrixView<T> dy) {
  for (std::size_t done = 0; done < z.rows;) {
    const std::size_t shard = (first_row + done) / shard_rows_;
    const std::size_t rows = std::min(z.rows - done, (shard + 1) * shard_rows_ - (first_row + done));
    differentiate_prelu<T>(slopes(parameters), z.row_range(done, rows), dy.row_range(done, rows), shards_.of(shard));
    done += rows;
  }
}

template <class T>
void LayerPrelu<T>::join_gradient(std::size_t rows) {
  shards_.join(divide_up(rows, shard_rows_), joined_.data());
  if (!shared_) {
    std::ranges::transform(joined_.span(), gradient_.data(), [](double sum) { return static_cast<T>(sum); });
    return;
  }
  double sum = 0;
  for (const double of_unit : joined_.span()) sum += of_unit;
  gradient_[0] = static_cast<T>(sum);
}

template class LayerPrelu<float>;
template class LayerPrelu<double>;

}  // namespace gradloom
