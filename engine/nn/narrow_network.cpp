#include "engine/nn/narrow_network.hpp"

#include <algorithm>

#include "engine/linalg/kernels.hpp"
#include "engine/linalg/narrow.hpp"

namespace gradloom {
namespace {

std::size_t padded(std::size_t rows) { return (rows + kNarrowMultiple - 1) / kNarrowMultiple * kNarrowMultiple; }

// The first `features` features of the first `rows` rows.
template <class T>
MatrixView<T> part(Matrix<T>& m, std::size_t features, std::size_t rows) {
  return {m.data(), features, rows, m.cols()};
}
// to(c, r) <- from(r, c), and zeros in the columns behind from's rows.
template <class T>
void transpose(MatrixView<const T> from, MatrixView<T> to) {
  for (std::size_t c = 0; c < from.cols; ++c) {
    T* const row = to.row(c).data();
    for (std::size_t r = 0; r < from.rows; ++r) row[r] = from(r, c);
    std::fill(row + from.rows, row + to.cols, T{0});
  }
}

}  // namespace

template <class T>
NarrowWorkspace<T>::NarrowWorkspace(const ParameterLayout& layout, std::size_t max_rows)
    : output(layout.outputs(), padded(max_rows)), by_row(padded(max_rows), layout.outputs()) {
  for (std::size_t l = 0; l < layout.depth(); ++l) {
    const LayerLayout& layer = layout.layer(l);
    input.emplace_back(layer.inputs + 1, output.cols());
    std::ranges::fill(input.back().row(layer.inputs), T{1});
    preactivation.emplace_back(needs_preactivation(layer.activation) ? layer.units : 0, output.cols());
    delta.emplace_back(layer.units, output.cols());
  }
}

bool suits_narrow_network(const ParameterLayout& layout) {
  constexpr std::size_t kWidest = 64;
  if (layout.inputs() > kWidest) return false;
  for (std::size_t l = 0; l < layout.depth(); ++l)
    if (layout.layer(l).units > kWidest || layout.layer(l).dropout > 0 || layout.layer(l).learns_functions())
      return false;
  return true;
}

// Where layer l's A stands, (units, rows): among the inputs of the next layer.
template <class T>
MatrixView<T> NarrowNetwork<T>::activations(std::size_t l, NarrowWorkspace<T>& workspace, std::size_t rows) const {
  return part(l + 1 < layout_.depth() ? workspace.input[l + 1] : workspace.output, layout_.layer(l).units, rows);
}

// Where layer l's Z stands: in the place of its A, which overwrites it, unless the derivative needs it.
template <class T>
MatrixView<T> NarrowNetwork<T>::preactivations(std::size_t l, NarrowWorkspace<T>& workspace, std::size_t rows) const {
  if (!needs_preactivation(layout_.layer(l).activation)) return activations(l, workspace, rows);
  return part(workspace.preactivation[l], layout_.layer(l).units, rows);
}

template <class T>
void NarrowNetwork<T>::forward_product(const T* parameters, std::size_t l, NarrowWorkspace<T>& workspace,
                                       std::size_t rows) const {
  narrow_forward<T>(layout_.weight(parameters, l), layout_.bias(parameters, l).data(),
                    part(workspace.input[l], layout_.layer(l).inputs, rows), preactivations(l, workspace, rows));
}

template <class T>
void NarrowNetwork<T>::gradient_product(std::size_t l, NarrowWorkspace<T>& workspace, std::size_t rows,
                                        T* gradient) const {
  const LayerLayout& layer = layout_.layer(l);
  narrow_gradient<T>(part(workspace.delta[l], layer.units, rows), part(workspace.input[l], layer.inputs + 1, rows),
                     layout_.weight(gradient, l), layout_.bias(gradient, l).data());
}

template <class T>
void NarrowNetwork<T>::delta_product(const T* parameters, std::size_t l, NarrowWorkspace<T>& workspace,
                                     std::size_t rows) const {
  const LayerLayout& layer = layout_.layer(l);
  narrow_backward<T>(layout_.weight(parameters, l), part(workspace.delta[l], layer.units, rows),
                     part(workspace.delta[l - 1], layer.inputs, rows));
}

template <class T>
void NarrowNetwork<T>::forward(const T* parameters, MatrixView<const T> x, NarrowWorkspace<T>& workspace) const {
  const std::size_t rows = padded(x.rows);
  transpose<T>(x, part(workspace.input[0], x.cols, rows));
  for (std::size_t l = 0; l < layout_.depth(); ++l) {
    forward_product(parameters, l, workspace, rows);
    activate<T>(layout_.layer(l).activation, preactivations(l, workspace, rows), activations(l, workspace, rows));
  }
}

// The loss works on rows, and these are few and narrow: there and back again.
template <class T>
MatrixView<T> NarrowNetwork<T>::outputs_by_row(std::size_t rows, NarrowWorkspace<T>& workspace) const {
  const MatrixView<T> by_row = workspace.by_row.view().row_range(0, rows);
  for (std::size_t u = 0; u < by_row.cols; ++u) {
    const T* const values = workspace.output.row(u).data();
    for (std::size_t r = 0; r < rows; ++r) by_row(r, u) = values[r];
  }
  return by_row;
}

template <class T>
void NarrowNetwork<T>::take_delta_by_row(std::size_t rows, NarrowWorkspace<T>& workspace) const {
  transpose<T>(workspace.by_row.view().row_range(0, rows),
               part(workspace.delta.back(), layout_.outputs(), padded(rows)));
}

template <class T>
void NarrowNetwork<T>::apply_derivative(std::size_t l, NarrowWorkspace<T>& workspace, std::size_t rows) const {
  const LayerLayout& layer = layout_.layer(l);
  if (layer.activation == Activation::kLinear) return;
  multiply_by_derivative<T>(layer.activation, preactivations(l, workspace, rows), activations(l, workspace, rows),
                            part(workspace.delta[l], layer.units, rows));
}

template <class T>
void NarrowNetwork<T>::backward(const T* parameters, NarrowWorkspace<T>& workspace, std::size_t rows,
                                T* gradient) const {
  rows = padded(rows);
  for (std::size_t l = layout_.depth(); l-- > 0;) {
    apply_derivative(l, workspace, rows);
    gradient_product(l, workspace, rows, gradient);
    if (l > 0) delta_product(parameters, l, workspace, rows);
  }
}

template <class T>
void NarrowNetwork<T>::products(const T* parameters, NarrowWorkspace<T>& workspace, std::size_t rows,
                                T* gradient) const {
  rows = padded(rows);
  for (std::size_t l = 0; l < layout_.depth(); ++l) forward_product(parameters, l, workspace, rows);
  for (std::size_t l = layout_.depth(); l-- > 0;) {
    gradient_product(l, workspace, rows, gradient);
    if (l > 0) delta_product(parameters, l, workspace, rows);
  }
}

template <class T>
std::size_t NarrowNetwork<T>::first_not_finite(NarrowWorkspace<T>& workspace, std::size_t rows) const {
  for (std::size_t l = 0; l < layout_.depth(); ++l) {
    const MatrixView<const T> a = activations(l, workspace, rows);
    for (std::size_t u = 0; u < a.rows; ++u)
      if (!all_finite<T>(a.row(u).data(), rows)) return l;
  }
  return layout_.depth();
}

template struct NarrowWorkspace<float>;
template struct NarrowWorkspace<double>;
template class NarrowNetwork<float>;
template class NarrowNetwork<double>;

}  // namespace gradloom
