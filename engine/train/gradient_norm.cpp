#include "engine/train/gradient_norm.hpp"

#include <algorithm>
#include <cmath>

#include "engine/core/rounding.hpp"
#include "engine/linalg/optimizer_kernels.hpp"

namespace gradloom {
namespace {

// Few enough for several threads to find pieces of a layer, and so many that a call costs nothing beside them.
constexpr std::size_t kPieceElements = 16384;

}  // namespace

template <class T>
GradientNorm<T>::GradientNorm(const ParameterLayout& layout, T most) : most_(most) {
  for (std::size_t l = 0; l < layout.depth(); ++l) {
    elements_.push_back(layout.elements_of_layer(l));
    squares_.emplace_back(divide_up(elements_[l], kPieceElements), 0.0);
  }
}

template <class T>
void GradientNorm<T>::measure(std::size_t layer, const T* gradient, std::size_t part, std::size_t parts) {
  for (std::size_t piece = part; piece < squares_[layer].size(); piece += parts) {
    const std::size_t first = piece * kPieceElements;
    squares_[layer][piece] =
        sum_squares<T>(gradient + first, most_, std::min(kPieceElements, elements_[layer] - first));
  }
}

template <class T>
double GradientNorm<T>::value() const {
  double sum = 0;
  for (const std::vector<double>& pieces : squares_)
    for (const double squares : pieces) sum += squares;
  return std::sqrt(sum);
}

template <class T>
bool GradientNorm<T>::is_finite(std::size_t layer) const {
  return std::ranges::all_of(squares_[layer], [](double squares) { return std::isfinite(squares); });
}

template class GradientNorm<float>;
template class GradientNorm<double>;

}  // namespace gradloom
