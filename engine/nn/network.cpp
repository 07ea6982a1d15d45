#include "engine/nn/network.hpp"

#include "engine/core/rounding.hpp"
#include "engine/linalg/dropout.hpp"
#include "engine/linalg/gemm.hpp"
#include "engine/linalg/kernels.hpp"
#include "engine/linalg/panels.hpp"

namespace gradloom {

namespace {

template <class T>
bool drops_units(const Workspace<T>& workspace, std::size_t l) {
  return workspace.dropped[l].rows() > 0;
}

}  // namespace

template <class T>
Workspace<T>::Workspace(const ParameterLayout& layout, std::size_t max_rows, bool with_deltas, std::size_t shard_rows) {
  shard_rows = shard_rows == 0 ? max_rows : shard_rows;
  const std::size_t shards = max_rows == 0 ? 0 : divide_up(max_rows, shard_rows);
  for (std::size_t l = 0; l < layout.depth(); ++l) {
    const LayerLayout& layer = layout.layer(l);
    preactivation.emplace_back(needs_preactivation(layer.activation) ? max_rows : 0, layer.units);
    activation.emplace_back(max_rows, layer.units);
    linear.emplace_back(layer.normalizes(NormPlace::kBeforeActivation) ? max_rows : 0, layer.units);
    normalized.emplace_back(layer.normalizes(NormPlace::kBehindActivation) ? max_rows : 0, layer.units);
    normalization.emplace_back();
    if (layer.normalization != Normalization::kNone)
      normalization.back().emplace(layer, max_rows, with_deltas ? shards : 0);
    prelu.emplace_back();
    if (layer.activation == Activation::kPrelu) prelu.back().emplace(layer, max_rows, with_deltas ? shard_rows : 0);
    dropped.emplace_back(with_deltas && layer.dropout > 0 ? max_rows : 0, layer.units);
    delta.emplace_back(with_deltas ? max_rows : 0, layer.units);
  }
}

std::size_t kept_matrices(const LayerLayout& layer) {
  return 1 + (needs_preactivation(layer.activation) ? 1 : 0) + (layer.normalization != Normalization::kNone ? 1 : 0) +
         (layer.dropout > 0 ? 1 : 0);
}

template <class T>
MatrixView<const T> Network<T>::input_of(std::size_t l, MatrixView<const T> x, const Workspace<T>& workspace,
                                         RowRange rows) const {
  if (l == 0) return x.row_range(rows.first, rows.count);
  if (drops_units(workspace, l - 1)) return workspace.dropped[l - 1].view().row_range(rows.first, rows.count);
  const bool normalized = layout_.layer(l - 1).normalizes(NormPlace::kBehindActivation);
  const SpacedMatrix<T>& before = normalized ? workspace.normalized[l - 1] : workspace.activation[l - 1];
  return before.view().row_range(rows.first, rows.count);
}

template <class T>
MatrixView<T> Network<T>::linear_of(std::size_t l, Workspace<T>& workspace, RowRange rows) const {
  if (!layout_.layer(l).normalizes(NormPlace::kBeforeActivation)) return preactivation_of(l, workspace, rows);
  return workspace.linear[l].view().row_range(rows.first, rows.count);
}

template <class T>
MatrixView<const T> Network<T>::normalization_input(std::size_t l, const Workspace<T>& workspace, RowRange rows) const {
  const bool first = layout_.layer(l).normalizes(NormPlace::kBeforeActivation);
  return (first ? workspace.linear[l] : workspace.activation[l]).view().row_range(rows.first, rows.count);
}

template <class T>
MatrixView<T> Network<T>::preactivation_of(std::size_t l, Workspace<T>& workspace, RowRange rows) const {
  SpacedMatrix<T>& own =
      needs_preactivation(layout_.layer(l).activation) ? workspace.preactivation[l] : workspace.activation[l];
  return own.view().row_range(rows.first, rows.count);
}

template <class T>
void Network<T>::forward(const T* parameters, MatrixView<const T> x, Workspace<T>& workspace, RowRange rows) const {
  for (std::size_t l = 0; l < layout_.depth(); ++l) forward_layer(parameters, l, x, workspace, rows);
}

template <class T>
void Network<T>::forward_to_normalization(const T* parameters, std::size_t l, MatrixView<const T> x,
                                          Workspace<T>& workspace, RowRange rows) const {
  const bool ends_here = layout_.layer(l).normalizes(NormPlace::kBeforeActivation);
  const MatrixView<T> z = linear_of(l, workspace, rows);
  const MatrixView<T> a = workspace.activation[l].view().row_range(rows.first, rows.count);
  const T* const bias = layout_.bias(parameters, l).data();
  forward_product(parameters, l, x, workspace, rows);
  const bool needs_bias = !workspace.own_products;
  if (needs_bias && !ends_here && !workspace.prelu[l])
    return add_bias_and_activate<T>(layout_.layer(l).activation, z, bias, a);
  if (needs_bias) add_bias_and_activate<T>(Activation::kLinear, z, bias, z);
  if (!ends_here) apply_activation(parameters, l, workspace, z, a);
}

template <class T>
void Network<T>::forward_from_normalization(const T* parameters, std::size_t l, Workspace<T>& workspace,
                                            RowRange rows) const {
  const LayerLayout& layer = layout_.layer(l);
  MatrixView<T> out = workspace.activation[l].view().row_range(rows.first, rows.count);
  if (auto& normalization = workspace.normalization[l]) {
    const MatrixView<const T> in = normalization_input(l, workspace, rows);
    if (layer.normalizes(NormPlace::kBeforeActivation)) {
      const MatrixView<T> normalized = preactivation_of(l, workspace, rows);
      normalization->normalize(parameters, rows.first, in, normalized);
      apply_activation(parameters, l, workspace, normalized, out);
    } else {
      out = workspace.normalized[l].view().row_range(rows.first, rows.count);
      normalization->normalize(parameters, rows.first, in, out);
    }
  }
  if (drops_units(workspace, l))
    apply_dropout(l, workspace, rows, out, workspace.dropped[l].view().row_range(rows.first, rows.count));
}

template <class T>
void Network<T>::take_moments(std::size_t l, Workspace<T>& workspace, std::size_t shard, RowRange rows) const {
  workspace.normalization[l]->take_moments(shard, normalization_input(l, workspace, rows));
}

template <class T>
void Network<T>::take_normalization_gradient(std::size_t l, Workspace<T>& workspace, std::size_t shard,
                                             RowRange rows) const {
  workspace.normalization[l]->take_gradient(shard, rows.first, normalization_input(l, workspace, rows),
                                            workspace.delta[l].view().row_range(rows.first, rows.count));
}

template <class T>
MatrixView<T> Network<T>::output(Workspace<T>& workspace, RowRange rows) const {
  return workspace.activation.back().view().row_range(rows.first, rows.count);
}

template <class T>
void Network<T>::apply_dropout(std::size_t l, const Workspace<T>& workspace, RowRange rows, MatrixView<const T> a,
                               MatrixView<T> out) const {
  const auto& [seed, epoch, numbers] = workspace.dropout;
  const DropoutMasks masks(layout_.layer(l).dropout, seed, epoch, static_cast<std::uint32_t>(l));
  drop_out<T>(masks, numbers.after(rows.first), a, out);
}

template <class T>
void Network<T>::apply_activation(const T* parameters, std::size_t l, const Workspace<T>& workspace, MatrixView<T> z,
                                  MatrixView<T> a) const {
  if (workspace.prelu[l])
    workspace.prelu[l]->activate(parameters, z, a);
  else
    activate<T>(layout_.layer(l).activation, z, a);
}

template <class T>
void Network<T>::apply_derivative(const T* parameters, std::size_t l, Workspace<T>& workspace, RowRange rows) const {
  const Activation f = layout_.layer(l).activation;
  if (f == Activation::kLinear) return;
  const MatrixView<T> z = preactivation_of(l, workspace, rows);
  const MatrixView<T> delta = workspace.delta[l].view().row_range(rows.first, rows.count);
  if (workspace.prelu[l])
    workspace.prelu[l]->differentiate(parameters, rows.first, z, delta);
  else
    multiply_by_derivative<T>(f, z, workspace.activation[l].view().row_range(rows.first, rows.count), delta);
}

template <class T>
void Network<T>::apply_output_derivative(const T* parameters, Workspace<T>& workspace, RowRange rows) const {
  apply_derivative(parameters, layout_.depth() - 1, workspace, rows);
}

template <class T>
void Network<T>::backward_delta(const T* parameters, std::size_t l, Workspace<T>& workspace, RowRange rows) const {
  delta_product(parameters, l, workspace, rows);
  const MatrixView<T> da = workspace.delta[l - 1].view().row_range(rows.first, rows.count);
  if (drops_units(workspace, l - 1)) apply_dropout(l - 1, workspace, rows, da, da);
  if (!layout_.layer(l - 1).normalizes(NormPlace::kBehindActivation))
    apply_derivative(parameters, l - 1, workspace, rows);
}

template <class T>
void Network<T>::backward_through_normalization(const T* parameters, std::size_t l, Workspace<T>& workspace,
                                                RowRange rows) const {
  const auto& normalization = workspace.normalization[l];
  if (!normalization) return;
  normalization->differentiate(parameters, rows.first, normalization_input(l, workspace, rows),
                               workspace.delta[l].view().row_range(rows.first, rows.count));
  if (layout_.layer(l).normalizes(NormPlace::kBehindActivation)) apply_derivative(parameters, l, workspace, rows);
}

template <class T>
void Network<T>::gradient(std::size_t l, MatrixView<const T> x, const Workspace<T>& workspace, RowRange rows,
                          std::size_t first_unit, MatrixView<T> dweight, T* dbias) const {
  gradient_product(l, x, workspace, rows, first_unit, 0, dweight);
  bias_gradient(l, workspace, rows, first_unit, dweight.rows, dbias);
}

template <class T>
void Network<T>::bias_gradient(std::size_t l, const Workspace<T>& workspace, RowRange rows, std::size_t first_unit,
                               std::size_t units, T* dbias) const {
  sum_rows<T>(delta_of_units(l, workspace, rows, first_unit, units), dbias);
}

template <class T>
MatrixView<const T> Network<T>::delta_of_units(std::size_t l, const Workspace<T>& workspace, RowRange rows,
                                               std::size_t first_unit, std::size_t units) const {
  const MatrixView<const T> dz = workspace.delta[l].view().row_range(rows.first, rows.count);
  return {dz.data + first_unit, dz.rows, units, dz.stride};
}

template <class T>
void Network<T>::forward_product(const T* parameters, std::size_t l, MatrixView<const T> x, Workspace<T>& workspace,
                                 RowRange rows) const {
  const MatrixView<const T> a = input_of(l, x, workspace, rows);
  const MatrixView<T> z = linear_of(l, workspace, rows);
  if (workspace.own_products)
    multiply_transposed<T>(a, layout_.weight(parameters, l), layout_.bias(parameters, l).data(), z);
  else
    gemm<T>(1, a, Transpose::kNo, layout_.weight(parameters, l), Transpose::kYes, 0, z);
}

template <class T>
void Network<T>::delta_product(const T* parameters, std::size_t l, Workspace<T>& workspace, RowRange rows) const {
  const MatrixView<const T> dz = workspace.delta[l].view().row_range(rows.first, rows.count);
  const MatrixView<T> da = workspace.delta[l - 1].view().row_range(rows.first, rows.count);
  if (workspace.own_products)
    multiply<T>(dz, Transpose::kNo, layout_.weight(parameters, l), da);
  else
    gemm<T>(1, dz, Transpose::kNo, layout_.weight(parameters, l), Transpose::kNo, 0, da);
}

template <class T>
void Network<T>::gradient_product(std::size_t l, MatrixView<const T> x, const Workspace<T>& workspace, RowRange rows,
                                  std::size_t first_unit, std::size_t first_input, MatrixView<T> dweight,
                                  MatrixView<T> next) const {
  const MatrixView<const T> dz = delta_of_units(l, workspace, rows, first_unit, dweight.rows);
  const MatrixView<const T> inputs = input_of(l, x, workspace, rows);
  const MatrixView<const T> a(inputs.data + first_input, inputs.rows, dweight.cols, inputs.stride);
  if (workspace.own_products)
    multiply<T>(dz, Transpose::kYes, a, dweight, next);
  else
    gemm<T>(1, dz, Transpose::kYes, a, Transpose::kNo, 0, dweight);
}

template struct Workspace<float>;
template struct Workspace<double>;
template class Network<float>;
template class Network<double>;

}  // namespace gradloom
