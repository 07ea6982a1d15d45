#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "gradloom/matrix.hpp"
#include "gradloom/options.hpp"

namespace gradloom {

/// A trained network ready for use: parameters, and the standardization it was trained with. Constant; one model may
/// be used by several threads. Defined for float and double.
template <class T>
class Model {
 public:
  struct State;  // the engine's own
  explicit Model(std::shared_ptr<const State> state) : state_(std::move(state)) {}

  /// Reads a checkpoint file, or the best (else the newest) of a run folder. CheckpointError where that fails or its
  /// precision is not T's.
  static Model load(const std::string& checkpoint);

  [[nodiscard]] std::size_t inputs() const;
  [[nodiscard]] std::size_t outputs() const;
  [[nodiscard]] Loss loss() const;
  [[nodiscard]] std::vector<LayerSpec> layers() const;
  /// Layer l's weights (units, inputs) and biases (1, units).
  [[nodiscard]] MatrixView<const T> weight(std::size_t l) const;
  [[nodiscard]] MatrixView<const T> bias(std::size_t l) const;

  /// Predictions for raw (not standardized) features, (rows, inputs) to (rows, outputs): in the target's own units, or
  /// probabilities for the cross-entropies. The same bits for any number of threads (0: all cores allowed).
  /// DataError where x has another width.
  [[nodiscard]] Matrix<T> predict(MatrixView<const T> x, std::size_t threads = 0) const;

  [[nodiscard]] const State& state() const { return *state_; }

 private:
  std::shared_ptr<const State> state_;
};

}  // namespace gradloom
