#include "engine/nn/objective.hpp"

#include <fmt/format.h>

#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

template <class T>
double weight_of_class(const std::vector<double>& weights, T label, std::size_t row) {
  if (label >= 0 && label < static_cast<T>(weights.size())) return weights[static_cast<std::size_t>(label)];
  throw DataError(fmt::format("row {} of the minibatch: class {} is not in [0, {})", row, label, weights.size()));
}

}  // namespace

template <class T>
double Objective::weigh(MatrixView<const T> y, const double* row_weights, double* weights) const {
  double sum = 0;
  for (std::size_t r = 0; r < y.rows; ++r) {
    const double own = row_weights != nullptr ? row_weights[r] : 1;
    weights[r] = class_weights.empty() ? own : own * weight_of_class(class_weights, y(r, 0), r);
    sum += weights[r];
  }
  return sum;
}

template double Objective::weigh(MatrixView<const float>, const double*, double*) const;
template double Objective::weigh(MatrixView<const double>, const double*, double*) const;

}  // namespace gradloom
