#pragma once

#include <cstdint>
#include <vector>

#include "engine/linalg/panels.hpp"
#include "engine/nn/layout.hpp"

namespace gradloom {

/// Elements of one copy of all layers.
std::size_t packed_elements(const ParameterLayout& layout);

/// True where so many threads pack copies of their own: few, with copies that take little memory.
bool packed_by_each(const ParameterLayout& layout, std::size_t threads);

/// Wᵀ and b of each layer as panels, for the forward products of every row block of a step. Either one copy that all
/// threads read, repacked as the parameters are updated, or a copy of its own for each thread, which packs it when it
/// first needs it in a step. Memory that several cores have read is dear to write, so for few threads packing
/// everything several times is the cheaper.
template <class T>
class PackedWeights {
 public:
  /// `readers`: threads of the arena that steps run in.
  PackedWeights(const ParameterLayout& layout, std::size_t readers);

  [[nodiscard]] bool shared() const { return copies_.size() == 1; }

  /// These units of a layer have new parameters. Threads may call it at once for different tiles.
  void changed(const T* parameters, std::size_t layer, std::size_t first_unit, std::size_t units);

  /// Own copies are out of date from here on.
  void expire() { ++current_; }

  /// The calling thread's panels of the layer, for these parameters.
  const Panels<T>& of(const T* parameters, std::size_t layer);

 private:
  struct Copy {
    std::vector<Panels<T>> layers;
    std::vector<std::uint64_t> packed_at;  ///< [layer]: current_ when it was packed
  };
  void pack(Panels<T>& to, const T* parameters, std::size_t layer, std::size_t first_unit, std::size_t units) const;

  const ParameterLayout& layout_;
  std::vector<Copy> copies_;  ///< [thread of the arena], or one
  std::uint64_t current_ = 1;
};

}  // namespace gradloom
