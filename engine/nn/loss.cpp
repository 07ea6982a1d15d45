#include "engine/nn/loss.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
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

// What t a row's softmax is held against, by its label.

/// 1 at the label.
struct HardTargets {
  static double total(std::size_t) { return 1; }
  template <class T>
  static double mean_logit(std::span<const T> z, std::size_t label) {
    return static_cast<double>(z[label]);
  }
  template <class T>
  static void subtract_from(std::span<T> delta, T factor, std::size_t label) {
    delta[label] -= factor;
  }
};

/// As LabelSmoothing defines them.
class SmoothTargets {
 public:
  SmoothTargets(const LabelSmoothing& smoothing, std::size_t classes)
      : weights_(smoothing.class_weights),
        weight_sum_(std::accumulate(weights_.begin(), weights_.end(), 0.0)),
        at_label_(1 - smoothing.share),
        spread_(smoothing.share / static_cast<double>(classes)) {}

  /// Σ t.
  [[nodiscard]] double total(std::size_t label) const {
    return weights_.empty() ? 1 : at_label_ + spread(label) * weight_sum_;
  }
  /// Σ t z.
  template <class T>
  [[nodiscard]] double mean_logit(std::span<const T> z, std::size_t label) const {
    double sum = 0;
    for (std::size_t c = 0; c < z.size(); ++c) sum += weight(c) * static_cast<double>(z[c]);
    return at_label_ * static_cast<double>(z[label]) + spread(label) * sum;
  }
  /// delta <- delta - factor * t.
  template <class T>
  void subtract_from(std::span<T> delta, T factor, std::size_t label) const {
    const double each = static_cast<double>(factor) * spread(label);
    for (std::size_t c = 0; c < delta.size(); ++c) delta[c] -= static_cast<T>(each * weight(c));
    delta[label] -= static_cast<T>(static_cast<double>(factor) * at_label_);
  }

 private:
  [[nodiscard]] double weight(std::size_t c) const { return weights_.empty() ? 1 : weights_[c]; }
  [[nodiscard]] double spread(std::size_t label) const { return spread_ / weight(label); }

  std::span<const double> weights_;
  double weight_sum_, at_label_, spread_;
};

/// The loss of each row, Σ t (-log softmax(z)), is Σ t * (max(z) + log Σ e^(z - max)) - Σ t z. Its derivative is
/// Σ t * softmax(z) - t. A delta without data is left out. At most kRows rows: the exponentials of all come first, as a
/// row's sum takes long to be ready, but not to begin with.
constexpr std::size_t kRows = 64;
template <class T, class Rows, class Targets>
double categorical_cross_entropies(MatrixView<const T> output, MatrixView<const T> y, const Rows& rows,
                                   const Targets& targets, std::size_t first, MatrixView<T> delta, double sum) {
  double surprises[kRows], sums[kRows];
  std::size_t labels[kRows];
  const std::size_t count = std::min(kRows, output.rows - first);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t r = first + i;
    labels[i] = class_of(y(r, 0), output.cols, r);
    const double logit = targets.mean_logit(output.row(r), labels[i]);  // delta may overwrite the row
    T* const e = delta.data != nullptr ? delta.row(r).data() : nullptr;
    const Exponentials<T> row = exponentiate<T>(output.row(r).data(), e, output.cols);
    surprises[i] = targets.total(labels[i]) * static_cast<double>(row.largest) - logit;
    sums[i] = row.sum;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t r = first + i;
    const double total = targets.total(labels[i]);
    sum += rows.weight(r) * (surprises[i] + total * std::log(sums[i]));
    if (delta.data == nullptr) continue;
    const T factor = rows.factor(r);
    multiply(delta.row(r), total * static_cast<double>(factor) / sums[i]);
    targets.subtract_from(delta.row(r), factor, labels[i]);
  }
  return sum;
}

template <class T, class Rows>
double all_categorical_cross_entropies(MatrixView<const T> output, MatrixView<const T> y, const Rows& rows,
                                       MatrixView<T> delta, const LabelSmoothing& smoothing) {
  const auto sum_by = [&](const auto& targets) {
    double sum = 0;
    for (std::size_t first = 0; first < output.rows; first += kRows)
      sum = categorical_cross_entropies(output, y, rows, targets, first, delta, sum);
    return sum;
  };
  return smoothing.share == 0 ? sum_by(HardTargets{}) : sum_by(SmoothTargets(smoothing, output.cols));
}

}  // namespace

std::size_t target_columns(Loss loss, std::size_t outputs) {
  return loss == Loss::kCategoricalCrossEntropy ? 1 : outputs;
}

std::size_t loss_terms_per_row(Loss loss, std::size_t outputs) { return target_columns(loss, outputs); }

template <class T>
double loss_sum(Loss loss, MatrixView<const T> output, MatrixView<const T> y, const LabelSmoothing& smoothing) {
  return loss_and_delta(loss, output, y, T{1}, MatrixView<T>{}, smoothing);
}

template <class T>
double loss_and_delta(Loss loss, MatrixView<const T> output, MatrixView<const T> y, T scale, MatrixView<T> delta,
                      const LabelSmoothing& smoothing) {
  if (loss != Loss::kCategoricalCrossEntropy) return sum_losses(loss, output, y, scale, delta, smoothing.share);
  return all_categorical_cross_entropies(output, y, EqualRows<T>{scale}, delta, smoothing);
}

template <class T>
double weighted_loss_and_delta(Loss loss, MatrixView<const T> output, MatrixView<const T> y, const double* weights,
                               double divisor, MatrixView<T> delta, const LabelSmoothing& smoothing) {
  if (loss != Loss::kCategoricalCrossEntropy)
    return sum_weighted_losses(loss, output, y, weights, divisor, delta, smoothing.share);
  return all_categorical_cross_entropies(output, y, WeightedRows<T>{weights, divisor}, delta, smoothing);
}

template <class T>
double weighted_loss_sum(Loss loss, MatrixView<const T> output, MatrixView<const T> y, const double* weights,
                         const LabelSmoothing& smoothing) {
  return weighted_loss_and_delta(loss, output, y, weights, 1, MatrixView<T>{}, smoothing);
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
  template double loss_sum(Loss, MatrixView<const T>, MatrixView<const T>, const LabelSmoothing&);               \
  template double loss_and_delta(Loss, MatrixView<const T>, MatrixView<const T>, T, MatrixView<T>,               \
                                 const LabelSmoothing&);                                                         \
  template double weighted_loss_sum(Loss, MatrixView<const T>, MatrixView<const T>, const double*,               \
                                    const LabelSmoothing&);                                                      \
  template double weighted_loss_and_delta(Loss, MatrixView<const T>, MatrixView<const T>, const double*, double, \
                                          MatrixView<T>, const LabelSmoothing&);                                 \
  template void to_prediction(Loss, MatrixView<T>)
GRADLOOM_INSTANTIATE(float);
GRADLOOM_INSTANTIATE(double);
#undef GRADLOOM_INSTANTIATE

}  // namespace gradloom
