#include "engine/nn/loss.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

template <class T>
T sigmoid(T z) {
  const T e = std::exp(-std::abs(z));  // never overflows
  return z < 0 ? e / (1 + e) : 1 / (1 + e);
}

// Losses of one output: `value` in float64, `slope` its derivative by the output. NaN stays NaN in both.

struct SquaredError {
  template <class T>
  static double value(T output, T y) {
    const double d = static_cast<double>(output) - static_cast<double>(y);
    return d * d;
  }
  template <class T>
  static T slope(T output, T y) {
    return 2 * (output - y);
  }
};

struct AbsoluteError {
  template <class T>
  static double value(T output, T y) {
    return std::abs(static_cast<double>(output) - static_cast<double>(y));
  }
  template <class T>
  static T slope(T output, T y) {  // 0 at 0, as PyTorch's L1Loss
    const T d = output - y;
    return d > 0 ? T{1} : d < 0 ? T{-1} : d;
  }
};

struct HuberError {  // delta 1
  template <class T>
  static double value(T output, T y) {
    const double d = std::abs(static_cast<double>(output) - static_cast<double>(y));
    return d > 1 ? d - 0.5 : 0.5 * d * d;
  }
  template <class T>
  static T slope(T output, T y) {
    const T d = output - y;
    return d > 1 ? T{1} : d < -1 ? T{-1} : d;
  }
};

struct BinaryCrossEntropy {  // of a logit: max(z, 0) - z y + log(1 + e^-|z|)
  template <class T>
  static double value(T logit, T y) {
    const double z = logit;
    return (z < 0 ? 0 : z) - z * static_cast<double>(y) + std::log1p(std::exp(-std::abs(z)));
  }
  template <class T>
  static T slope(T logit, T y) {
    return sigmoid(logit) - y;
  }
};

template <class Term, class T>
double sum_of_terms(MatrixView<const T> output, MatrixView<const T> y) {
  double sum = 0;
  for (std::size_t r = 0; r < output.rows; ++r)
    for (std::size_t c = 0; c < output.cols; ++c) sum += Term::value(output(r, c), y(r, c));
  return sum;
}

template <class Term, class T>
double sum_and_slopes(MatrixView<const T> output, MatrixView<const T> y, T scale, MatrixView<T> delta) {
  double sum = 0;
  for (std::size_t r = 0; r < output.rows; ++r)
    for (std::size_t c = 0; c < output.cols; ++c) {
      const T o = output(r, c);
      sum += Term::value(o, y(r, c));
      delta(r, c) = scale * Term::slope(o, y(r, c));
    }
  return sum;
}

template <class T>
std::size_t class_of(T label, std::size_t classes, std::size_t row) {
  if (label >= 0 && label < static_cast<T>(classes)) return static_cast<std::size_t>(label);
  throw DataError(fmt::format("row {} of the minibatch: class index {} is not in [0, {})", row, label, classes));
}

template <class T>
T largest(std::span<const T> row) {
  T m = row[0];
  for (const T z : row) m = z > m || std::isnan(z) ? z : m;
  return m;
}

/// -log softmax(z)[label] of one row: log Σ e^(z - max) + max - z[label].
template <class T>
double cross_entropy(std::span<const T> z, std::size_t label) {
  const T m = largest(z);
  double sum = 0;
  for (const T logit : z) sum += static_cast<double>(std::exp(logit - m));
  return std::log(sum) + static_cast<double>(m) - static_cast<double>(z[label]);
}

/// p <- softmax(z). Both may be the same memory. Returns log Σ e^z.
template <class T>
double softmax(std::span<const T> z, std::span<T> p) {
  const T m = largest(z);
  double sum = 0;
  for (std::size_t c = 0; c < z.size(); ++c) {
    p[c] = std::exp(z[c] - m);
    sum += static_cast<double>(p[c]);
  }
  const T inverse = static_cast<T>(1 / sum);
  for (T& probability : p) probability *= inverse;
  return std::log(sum) + static_cast<double>(m);
}

template <class T>
double cross_entropies(MatrixView<const T> output, MatrixView<const T> y) {
  double sum = 0;
  for (std::size_t r = 0; r < output.rows; ++r) sum += cross_entropy(output.row(r), class_of(y(r, 0), output.cols, r));
  return sum;
}

template <class T>
double cross_entropies_and_slopes(MatrixView<const T> output, MatrixView<const T> y, T scale, MatrixView<T> delta) {
  double sum = 0;
  for (std::size_t r = 0; r < output.rows; ++r) {
    const std::size_t label = class_of(y(r, 0), output.cols, r);
    const auto logit = static_cast<double>(output(r, label));  // before delta overwrites it
    sum += softmax(output.row(r), delta.row(r)) - logit;
    delta(r, label) -= 1;
    for (T& d : delta.row(r)) d *= scale;
  }
  return sum;
}

}  // namespace

std::size_t target_columns(Loss loss, std::size_t outputs) {
  return loss == Loss::kCategoricalCrossEntropy ? 1 : outputs;
}

std::size_t loss_terms_per_row(Loss loss, std::size_t outputs) { return target_columns(loss, outputs); }

template <class T>
double loss_sum(Loss loss, MatrixView<const T> output, MatrixView<const T> y) {
  switch (loss) {
    case Loss::kMse:
      return sum_of_terms<SquaredError>(output, y);
    case Loss::kMae:
      return sum_of_terms<AbsoluteError>(output, y);
    case Loss::kHuber:
      return sum_of_terms<HuberError>(output, y);
    case Loss::kBinaryCrossEntropy:
      return sum_of_terms<BinaryCrossEntropy>(output, y);
    case Loss::kCategoricalCrossEntropy:
      return cross_entropies(output, y);
  }
  return 0;  // unreachable: the switch covers the enumeration
}

template <class T>
double loss_and_delta(Loss loss, MatrixView<const T> output, MatrixView<const T> y, T scale, MatrixView<T> delta) {
  switch (loss) {
    case Loss::kMse:
      return sum_and_slopes<SquaredError>(output, y, scale, delta);
    case Loss::kMae:
      return sum_and_slopes<AbsoluteError>(output, y, scale, delta);
    case Loss::kHuber:
      return sum_and_slopes<HuberError>(output, y, scale, delta);
    case Loss::kBinaryCrossEntropy:
      return sum_and_slopes<BinaryCrossEntropy>(output, y, scale, delta);
    case Loss::kCategoricalCrossEntropy:
      return cross_entropies_and_slopes(output, y, scale, delta);
  }
  return 0;  // unreachable: the switch covers the enumeration
}

template <class T>
void to_prediction(Loss loss, MatrixView<T> output) {
  if (!is_classification(loss)) return;
  for (std::size_t r = 0; r < output.rows; ++r) {
    const std::span<T> row = output.row(r);
    if (loss == Loss::kCategoricalCrossEntropy)
      softmax<T>(row, row);
    else
      std::transform(row.begin(), row.end(), row.begin(), sigmoid<T>);
  }
}

#define GRADLOOM_INSTANTIATE(T)                                                                     \
  template double loss_sum(Loss, MatrixView<const T>, MatrixView<const T>);                         \
  template double loss_and_delta(Loss, MatrixView<const T>, MatrixView<const T>, T, MatrixView<T>); \
  template void to_prediction(Loss, MatrixView<T>)
GRADLOOM_INSTANTIATE(float);
GRADLOOM_INSTANTIATE(double);
#undef GRADLOOM_INSTANTIATE

}  // namespace gradloom
