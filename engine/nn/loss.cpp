#include "engine/nn/loss.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "engine/linalg/kernels.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

template <class T>
std::size_t class_of(T label, std::size_t classes, std::size_t row) {
  if (label >= 0 && label < static_cast<T>(classes)) return static_cast<std::size_t>(label);
  throw DataError(fmt::format("row {} of the minibatch: class index {} is not in [0, {})", row, label, classes));
}

/// row <- factor * row.
template <class T>
void multiply(std::span<T> row, double factor) {
  const auto f = static_cast<T>(factor);
  for (T& element : row) element *= f;
}

/// All rows count alike.
template <class T>
struct EqualRows {
  T scale;
  [[nodiscard]] double weight(std::size_t) const { return 1; }
  [[nodiscard]] T factor(std::size_t) const { return scale; }
};

/// Each row has a weight.
template <class T>
struct WeightedRows {
  const double* weights;  // (rows)
  double divisor;
  [[nodiscard]] double weight(std::size_t row) const { return weights[row]; }
  [[nodiscard]] T factor(std::size_t row) const { return static_cast<T>(weights[row] / divisor); }
};

/// -log softmax(z)[label] of each row is max(z) - z[label] + log Σ e^(z - max). Its derivative is softmax(z), less 1 at
/// the label. A delta without data is left out. At most kRows rows: the exponentials of all come first, as a row's sum
/// takes long to be ready, but not to begin with.
constexpr std::size_t kRows = 64;
template <class T, class Rows>
double categorical_cross_entropies(MatrixView<const T> output, MatrixView<const T> y, const Rows& rows,
                                   std::size_t first, MatrixView<T> delta, double sum) {
  double surprises[kRows], sums[kRows];
  const std::size_t count = std::min(kRows, output.rows - first);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t r = first + i;
    const auto logit = static_cast<double>(output(r, class_of(y(r, 0), output.cols, r)));  // delta may overwrite it
    T* const e = delta.data != nullptr ? delta.row(r).data() : nullptr;
    const Exponentials<T> row = exponentiate<T>(output.row(r).data(), e, output.cols);
    surprises[i] = static_cast<double>(row.largest) - logit;
    sums[i] = row.sum;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t r = first + i;
    sum += rows.weight(r) * (surprises[i] + std::log(sums[i]));
    if (delta.data == nullptr) continue;
    const T factor = rows.factor(r);
    multiply(delta.row(r), static_cast<double>(factor) / sums[i]);
    delta(r, class_of(y(r, 0), output.cols, r)) -= factor;
  }
  return sum;
}

template <class T, class Rows>
double all_categorical_cross_entropies(MatrixView<const T> output, MatrixView<const T> y, const Rows& rows,
                                       MatrixView<T> delta) {
  double sum = 0;
  for (std::size_t first = 0; first < output.rows; first += kRows)
    sum = categorical_cross_entropies(output, y, rows, first, delta, sum);
  return sum;
}

}  // namespace

std::size_t target_columns(Loss loss, std::size_t outputs) {
  return loss == Loss::kCategoricalCrossEntropy ? 1 : outputs;
}

std::size_t loss_terms_per_row(Loss loss, std::size_t outputs) { return target_columns(loss, outputs); }

template <class T>
double loss_sum(Loss loss, MatrixView<const T> output, MatrixView<const T> y) {
  return loss_and_delta(loss, output, y, T{1}, MatrixView<T>{});
}

template <class T>
double loss_and_delta(Loss loss, MatrixView<const T> output, MatrixView<const T> y, T scale, MatrixView<T> delta) {
  if (loss != Loss::kCategoricalCrossEntropy) return sum_losses(loss, output, y, scale, delta);
  return all_categorical_cross_entropies(output, y, EqualRows<T>{scale}, delta);
}

template <class T>
double weighted_loss_and_delta(Loss loss, MatrixView<const T> output, MatrixView<const T> y, const double* weights,
                               double divisor, MatrixView<T> delta) {
  if (loss != Loss::kCategoricalCrossEntropy) return sum_weighted_losses(loss, output, y, weights, divisor, delta);
  return all_categorical_cross_entropies(output, y, WeightedRows<T>{weights, divisor}, delta);
}

template <class T>
double weighted_loss_sum(Loss loss, MatrixView<const T> output, MatrixView<const T> y, const double* weights) {
  return weighted_loss_and_delta(loss, output, y, weights, 1, MatrixView<T>{});
}

template <class T>
void to_prediction(Loss loss, MatrixView<T> output) {
  if (!is_classification(loss)) return;
  for (std::size_t r = 0; r < output.rows; ++r) {
    const std::span<T> row = output.row(r);
    if (loss == Loss::kCategoricalCrossEntropy)
      multiply(row, 1 / exponentiate<T>(row.data(), row.data(), row.size()).sum);
    else
      sigmoids<T>(row.data(), row.data(), row.size());
  }
}

#define GRADLOOM_INSTANTIATE(T)                                                                                  \
  template double loss_sum(Loss, MatrixView<const T>, MatrixView<const T>);                                      \
  template double loss_and_delta(Loss, MatrixView<const T>, MatrixView<const T>, T, MatrixView<T>);              \
  template double weighted_loss_sum(Loss, MatrixView<const T>, MatrixView<const T>, const double*);              \
  template double weighted_loss_and_delta(Loss, MatrixView<const T>, MatrixView<const T>, const double*, double, \
                                          MatrixView<T>);                                                        \
  template void to_prediction(Loss, MatrixView<T>)
GRADLOOM_INSTANTIATE(float);
GRADLOOM_INSTANTIATE(double);
#undef GRADLOOM_INSTANTIATE

}  // namespace gradloom
