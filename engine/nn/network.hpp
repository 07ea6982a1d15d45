#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "engine/core/row_numbers.hpp"
#include "engine/nn/layer_normalization.hpp"
#include "engine/nn/layer_prelu.hpp"
#include "engine/nn/layout.hpp"
#include "gradloom/matrix.hpp"
#include "gradloom/options.hpp"

namespace gradloom {

/// A run of consecutive rows of a minibatch.
struct RowRange {
  std::size_t first = 0;
  std::size_t count = 0;
};

/// What the dropout masks of a minibatch are drawn by, beside layer and unit (engine/linalg/dropout.hpp): a row of the
/// training set has the same mask in an epoch whatever minibatch and shard it is in.
struct DropoutContext {
  std::uint64_t seed = 0;
  std::uint64_t epoch = 0;  ///< counted from 0
  RowNumbers rows;          ///< of the minibatch
};

/// A matrix like Matrix, but with gaps between rows where these would otherwise stand a multiple of 1 KiB apart: then
/// the rows' parts that a product reads together drive each other out of the caches.
template <class T>
class SpacedMatrix {
 public:
  SpacedMatrix(std::size_t rows, std::size_t cols) : storage_(rows, stride_for(cols)), cols_(cols) {}

  [[nodiscard]] std::size_t rows() const { return storage_.rows(); }
  [[nodiscard]] MatrixView<T> view() { return {storage_.data(), rows(), cols_, storage_.cols()}; }
  [[nodiscard]] MatrixView<const T> view() const { return {storage_.data(), rows(), cols_, storage_.cols()}; }
  const T& operator()(std::size_t r, std::size_t c) const { return storage_(r, c); }

 private:
  static std::size_t stride_for(std::size_t cols) {
    constexpr std::size_t kLine = 64 / sizeof(T);
    return cols * sizeof(T) % 1024 == 0 ? cols + kLine : cols;
  }

  Matrix<T> storage_;
  std::size_t cols_;
};

/// Everything that one minibatch changes while gradients are computed, except gradients themselves: one matrix a layer,
/// with a row for every row of the minibatch. Shards work on disjoint row ranges of it, so they may run concurrently.
/// One with deltas is for training: only there layers drop units, as `dropout` says, which is to be set beforehand, and
/// are batch-normalized by the minibatch. Sums over its rows are made in shards of shard_rows rows; 0: in one of all.
template <class T>
struct Workspace {
  Workspace(const ParameterLayout& layout, std::size_t max_rows, bool with_deltas, std::size_t shard_rows = 0);

  std::vector<SpacedMatrix<T>> preactivation;  ///< (max_rows, units); empty where the derivative needs only the output
  std::vector<SpacedMatrix<T>> activation;     ///< (max_rows, units)
  std::vector<SpacedMatrix<T>> linear;         ///< (max_rows, units): Z, where that is normalized; else empty
  std::vector<SpacedMatrix<T>> normalized;     ///< (max_rows, units): A behind its normalization; else empty
  std::vector<SpacedMatrix<T>> dropped;        ///< (max_rows, units): A behind dropout; empty where nothing is dropped
  std::vector<SpacedMatrix<T>> delta;          ///< (max_rows, units): d(mean loss)/dZ; empty without deltas
  std::vector<std::optional<LayerNormalization<T>>> normalization;  ///< nothing where there is none
  std::vector<std::optional<LayerPrelu<T>>> prelu;                  ///< nothing where there is none
  DropoutContext dropout;
  bool own_products = false;  ///< the passes take products of panels.hpp; else CBLAS's
};

/// How many of a training Workspace's matrices (max_rows, units) layer has; its delta is not counted.
std::size_t kept_matrices(const LayerLayout& layer);

/// The passes of a dense network over some rows of a minibatch. The network itself is constant meanwhile: parameters
/// are only read. Row-vector convention: Z = A_prev Wᵀ + b, A = f(Z). With dropout A_prev is the layer before's A ∘ M,
/// where M holds 0 and 1 / (1 - p); below, that factor is left out. A normalization N makes it A = f(N(Z)), or takes
/// N(A) in the place of A.
/// x is the whole minibatch (rows, inputs); `rows` selects what to work on.
template <class T>
class Network {
 public:
  explicit Network(ParameterLayout layout) : layout_(std::move(layout)) {}
  [[nodiscard]] const ParameterLayout& layout() const { return layout_; }

  /// Fills the workspace's activations of every layer for these rows. Not in training where there is a batch-norm.
  void forward(const T* parameters, MatrixView<const T> x, Workspace<T>& workspace, RowRange rows) const;

  /// One layer of it, in two parts: all that comes before the normalization, and the rest. In training, a batch-norm's
  /// moments are taken from all rows in between.
  void forward_to_normalization(const T* parameters, std::size_t l, MatrixView<const T> x, Workspace<T>& workspace,
                                RowRange rows) const;
  void forward_from_normalization(const T* parameters, std::size_t l, Workspace<T>& workspace, RowRange rows) const;
  void forward_layer(const T* parameters, std::size_t l, MatrixView<const T> x, Workspace<T>& workspace,
                     RowRange rows) const {
    forward_to_normalization(parameters, l, x, workspace, rows);
    forward_from_normalization(parameters, l, workspace, rows);
  }

  /// The share of a shard, which are these rows, in what the normalization of layer l joins from all: moments, between
  /// the two parts above; gradient, between backward_delta() to layer l and backward_through_normalization().
  void take_moments(std::size_t l, Workspace<T>& workspace, std::size_t shard, RowRange rows) const;
  void take_normalization_gradient(std::size_t l, Workspace<T>& workspace, std::size_t shard, RowRange rows) const;

  /// The last layer's activations of these rows: (rows.count, outputs).
  MatrixView<T> output(Workspace<T>& workspace, RowRange rows) const;

  /// From delta = dL/dA to dL/dZ at the last layer, for these rows (a no-op behind a linear output). This and the two
  /// below, wherever they go through a prelu, keep its shards' shares in the gradient of its slopes.
  void apply_output_derivative(const T* parameters, Workspace<T>& workspace, RowRange rows) const;

  /// delta of layer l-1 from that of layer l >= 1: dA = dZ W, dZ = dA * f'(Z), for these rows. Where layer l-1 has a
  /// normalization it is d(loss)/dN yet, and backward_through_normalization() the rest.
  void backward_delta(const T* parameters, std::size_t l, Workspace<T>& workspace, RowRange rows) const;

  /// delta of layer l from d(loss)/dN; nothing where it has no normalization.
  void backward_through_normalization(const T* parameters, std::size_t l, Workspace<T>& workspace, RowRange rows) const;

  /// Gradient of units [first_unit, first_unit + units) of layer l, summed over these rows: dW = dZᵀ A_prev into
  /// dweight (units, inputs), db = Σ dZ into dbias (units). Overwrites both.
  void gradient(std::size_t l, MatrixView<const T> x, const Workspace<T>& workspace, RowRange rows,
                std::size_t first_unit, MatrixView<T> dweight, T* dbias) const;

  /// Its parts: dW of inputs [first_input, first_input + dweight.cols) only, and db of `units` units. `next`: what the
  /// caller writes then, fetched where the products are those of panels.hpp.
  void gradient_product(std::size_t l, MatrixView<const T> x, const Workspace<T>& workspace, RowRange rows,
                        std::size_t first_unit, std::size_t first_input, MatrixView<T> dweight,
                        MatrixView<T> next = {}) const;
  void bias_gradient(std::size_t l, const Workspace<T>& workspace, RowRange rows, std::size_t first_unit,
                     std::size_t units, T* dbias) const;

  /// The matrix product of layer l in the other two passes, alone: Z (without b where it is CBLAS's), and dA of the
  /// layer before. They are parts of the passes, for a benchmark to run by themselves.
  void forward_product(const T* parameters, std::size_t l, MatrixView<const T> x, Workspace<T>& workspace,
                       RowRange rows) const;
  void delta_product(const T* parameters, std::size_t l, Workspace<T>& workspace, RowRange rows) const;

 private:
  [[nodiscard]] MatrixView<const T> input_of(std::size_t l, MatrixView<const T> x, const Workspace<T>& workspace,
                                             RowRange rows) const;
  /// Where layer l's Z stands: where f finds it, unless it is normalized before.
  [[nodiscard]] MatrixView<T> linear_of(std::size_t l, Workspace<T>& workspace, RowRange rows) const;
  /// Where f finds what it takes: in the place of its A, which overwrites it, unless the derivative needs it.
  [[nodiscard]] MatrixView<T> preactivation_of(std::size_t l, Workspace<T>& workspace, RowRange rows) const;
  /// What the normalization of layer l takes: Z or A.
  [[nodiscard]] MatrixView<const T> normalization_input(std::size_t l, const Workspace<T>& workspace,
                                                        RowRange rows) const;
  /// dZ of units [first_unit, first_unit + units) of layer l: (rows.count, units).
  [[nodiscard]] MatrixView<const T> delta_of_units(std::size_t l, const Workspace<T>& workspace, RowRange rows,
                                                   std::size_t first_unit, std::size_t units) const;
  /// out <- a ∘ M by the dropout of layer l, both these rows.
  void apply_dropout(std::size_t l, const Workspace<T>& workspace, RowRange rows, MatrixView<const T> a,
                     MatrixView<T> out) const;
  /// a <- f(z) of layer l, some rows; z stands where preactivation_of() says.
  void apply_activation(const T* parameters, std::size_t l, const Workspace<T>& workspace, MatrixView<T> z,
                        MatrixView<T> a) const;
  /// delta of layer l from dL/dA to that by what f took, for these rows.
  void apply_derivative(const T* parameters, std::size_t l, Workspace<T>& workspace, RowRange rows) const;

  ParameterLayout layout_;
};

}  // namespace gradloom
