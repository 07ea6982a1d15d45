#pragma once

#include <vector>

#include "engine/nn/layout.hpp"
#include "engine/nn/network.hpp"

namespace gradloom {

/// True where NarrowNetwork trains faster than Network: by shapes alone. Never where units are dropped or normalized,
/// or slopes are learned.
bool suits_narrow_network(const ParameterLayout& layout);

/// What one thread needs to take a shard through a narrow network. Matrices stand feature by feature (narrow.hpp); the
/// inputs of a layer have one row more, of ones, which its biases belong to. Reused for every shard, so that it stays
/// in the thread's own cache.
template <class T>
struct NarrowWorkspace {
  NarrowWorkspace(const ParameterLayout& layout, std::size_t max_rows);

  std::vector<Matrix<T>> input;          ///< [layer]: (inputs + 1, max_rows); of layer l + 1: layer l's activations
  std::vector<Matrix<T>> preactivation;  ///< [layer]: (units, max_rows); empty where the derivative needs the output
  std::vector<Matrix<T>> delta;          ///< [layer]: (units, max_rows)
  Matrix<T> output;                      ///< the last layer's activations: (units, max_rows)
  Matrix<T> by_row;                      ///< the same, then their delta: (max_rows, units)
};

/// Training passes of a network whose layers are too narrow for OpenBLAS, a whole shard at once. The same mathematics
/// as Network's, which is its twin in tests; results differ by rounding.
template <class T>
class NarrowNetwork {
 public:
  /// `layout` must outlive it.
  explicit NarrowNetwork(const ParameterLayout& layout) : layout_(layout) {}

  /// Fills the workspace's activations of every layer for x (rows, inputs).
  void forward(const T* parameters, MatrixView<const T> x, NarrowWorkspace<T>& workspace) const;

  /// Behind forward() on as many rows: `loss` replaces their outputs (rows, outputs) by the loss's delta, which goes
  /// into the workspace, and returns what comes back from here: the sum of the losses.
  template <class LossAndDelta>
  double loss_and_delta(std::size_t rows, NarrowWorkspace<T>& workspace, const LossAndDelta& loss) const {
    const double sum = loss(outputs_by_row(rows, workspace));
    take_delta_by_row(rows, workspace);
    return sum;
  }

  /// Behind loss_and_delta(): the gradient of these rows into `gradient`, a block as the parameters.
  void backward(const T* parameters, NarrowWorkspace<T>& workspace, std::size_t rows, T* gradient) const;

  /// The matrix products of all three over that many rows, alone, on what they left in the workspace.
  void products(const T* parameters, NarrowWorkspace<T>& workspace, std::size_t rows, T* gradient) const;

  /// After forward() over that many rows: the first layer whose activations hold NaN or Inf, or layout.depth().
  [[nodiscard]] std::size_t first_not_finite(NarrowWorkspace<T>& workspace, std::size_t rows) const;

 private:
  MatrixView<T> outputs_by_row(std::size_t rows, NarrowWorkspace<T>& workspace) const;
  void take_delta_by_row(std::size_t rows, NarrowWorkspace<T>& workspace) const;
  void forward_product(const T* parameters, std::size_t l, NarrowWorkspace<T>& workspace, std::size_t rows) const;
  void gradient_product(std::size_t l, NarrowWorkspace<T>& workspace, std::size_t rows, T* gradient) const;
  void delta_product(const T* parameters, std::size_t l, NarrowWorkspace<T>& workspace, std::size_t rows) const;
  [[nodiscard]] MatrixView<T> activations(std::size_t l, NarrowWorkspace<T>& workspace, std::size_t rows) const;
  [[nodiscard]] MatrixView<T> preactivations(std::size_t l, NarrowWorkspace<T>& workspace, std::size_t rows) const;
  void apply_derivative(std::size_t l, NarrowWorkspace<T>& workspace, std::size_t rows) const;

  const ParameterLayout& layout_;
};

}  // namespace gradloom
