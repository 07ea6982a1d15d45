#include "engine/nn/packed_weights.hpp"

#include "engine/core/parallel.hpp"

namespace gradloom {
namespace {

// With more threads each has so few rows that packing all weights takes it longer than sharing them does.
constexpr std::size_t kMostOwners = 4;
constexpr std::size_t kMostOwnElements = std::size_t{6} << 20;

}  // namespace

std::size_t packed_elements(const ParameterLayout& layout) {
  std::size_t elements = 0;
  for (std::size_t l = 0; l < layout.depth(); ++l)
    elements += Panels<float>::elements(layout.layer(l).inputs, layout.layer(l).units);
  return elements;
}

bool packed_by_each(const ParameterLayout& layout, std::size_t threads) {
  return threads > 1 && threads <= kMostOwners && threads * packed_elements(layout) <= kMostOwnElements;
}

template <class T>
PackedWeights<T>::PackedWeights(const ParameterLayout& layout, std::size_t readers)
    : layout_(layout), copies_(packed_by_each(layout, readers) ? readers : 1) {
  for (Copy& copy : copies_) {
    copy.packed_at.assign(layout.depth(), 0);
    for (std::size_t l = 0; l < layout.depth(); ++l)
      copy.layers.emplace_back(layout.layer(l).inputs, layout.layer(l).units);
  }
}

template <class T>
void PackedWeights<T>::pack(Panels<T>& to, const T* parameters, std::size_t layer, std::size_t first_unit,
                            std::size_t units) const {
  to.pack_columns(first_unit, layout_.weight(parameters, layer).row_range(first_unit, units),
                  parameters + layout_.layer(layer).bias_offset + first_unit);
}

template <class T>
void PackedWeights<T>::changed(const T* parameters, std::size_t layer, std::size_t first_unit, std::size_t units) {
  if (shared()) pack(copies_[0].layers[layer], parameters, layer, first_unit, units);
}

template <class T>
const Panels<T>& PackedWeights<T>::of(const T* parameters, std::size_t layer) {
  if (shared()) return copies_[0].layers[layer];
  Copy& own = copies_[this_worker()];
  if (own.packed_at[layer] != current_) {
    pack(own.layers[layer], parameters, layer, 0, layout_.layer(layer).units);
    own.packed_at[layer] = current_;
  }
  return own.layers[layer];
}

template class PackedWeights<float>;
template class PackedWeights<double>;

}  // namespace gradloom
