#include "engine/data/memory_rows.hpp"

#include "engine/data/gather.hpp"

namespace gradloom {

template <class T>
void MemoryRows<T>::require(std::uint64_t epoch, std::uint64_t, std::uint64_t) {
  if (order_ && epoch_ == epoch) return;
  order_.emplace(data_.rows(), seed_, epoch);
  epoch_ = epoch;
}

template <class T>
void MemoryRows<T>::gather(std::uint64_t first, std::span<std::uint64_t> numbers, MatrixView<T> x, MatrixView<T> y,
                           double* weights) const {
  order_->fill(first, numbers);
  gather_rows<T>(data_.x.view(), data_.y.view(), numbers, x, y);
  gather_weights(data_.weights, numbers, weights);
}

template class MemoryRows<float>;
template class MemoryRows<double>;

}  // namespace gradloom
