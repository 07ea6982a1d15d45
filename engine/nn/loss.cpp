#include "engine/nn/loss.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "engine/linalg/kernels.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

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

/// Elements that are taken at once where intermediate numbers need room.
constexpr std::size_t kChunk = 128;

/// Calls body(first, count, p, rest) for chunks of a row of logits; p and rest as logistic() gives them.
template <class T, class Body>
void for_each_chunk(std::span<const T> logits, const Body& body) {
  T p[kChunk];
  T rest[kChunk];
  for (std::size_t first = 0; first < logits.size(); first += kChunk) {
    const std::size_t count = std::min(kChunk, logits.size() - first);
    logistic<T>(logits.data() + first, p, rest, count);
    body(first, count, p, rest);
  }
}

/// Rows without gaps as one long row: one output, the usual case, would make rows of a single element.
template <class T>
MatrixView<T> as_one_row(MatrixView<T> m, bool contiguous) {
  return contiguous ? MatrixView<T>(m.data, 1, m.rows * m.cols) : m;
}

/// Of logits: max(z, 0) - z y + log(1 + e^-|z|), whose derivative is sigmoid(z) - y. A delta without data is left out.
template <class T>
double binary_cross_entropies(MatrixView<const T> output, MatrixView<const T> y, T scale, MatrixView<T> delta) {
  const bool contiguous = output.stride == output.cols && y.stride == y.cols && delta.stride == delta.cols;
  output = as_one_row(output, contiguous);
  y = as_one_row(y, contiguous);
  delta = as_one_row(delta, contiguous);
  double sum = 0;
  for (std::size_t r = 0; r < output.rows; ++r)
    for_each_chunk(output.row(r), [&](std::size_t first, std::size_t count, const T* p, const T* rest) {
      for (std::size_t i = 0; i < count; ++i) {
        const auto z = static_cast<double>(output(r, first + i));
        const T label = y(r, first + i);
        sum += (z < 0 ? 0 : z) - z * static_cast<double>(label) + static_cast<double>(rest[i]);
        if (delta.data != nullptr) delta(r, first + i) = scale * (p[i] - label);
      }
    });
  return sum;
}

/// NaN in the first place stays; anywhere else it turns up again in e^(z - max).
template <class T>
T largest(std::span<const T> row) {
  T m = row[0];
  for (const T z : row) m = z > m ? z : m;
  return m;
}

/// Σ e^(z - m) of one row, m its maximum: the same additions as exponentiate() and normalize() do.
template <class T>
double sum_of_exponentials(std::span<const T> z, T m) {
  T e[kChunk];
  double sum = 0;
  for (std::size_t first = 0; first < z.size(); first += kChunk) {
    const std::size_t count = std::min(kChunk, z.size() - first);
    for (std::size_t i = 0; i < count; ++i) e[i] = z[first + i] - m;
    exponentials<T>(e, e, count);
    for (std::size_t i = 0; i < count; ++i) sum += static_cast<double>(e[i]);
  }
  return sum;
}

/// -log softmax(z)[label] of each row is max(z) - z[label] + log Σ e^(z - max). First come the former of all rows, then
/// the logarithms, as in cross_entropies_and_slopes: both give the same bits.
template <class T>
double cross_entropies(MatrixView<const T> output, MatrixView<const T> y) {
  double sum = 0;
  for (std::size_t r = 0; r < output.rows; ++r) {
    const T logit = output(r, class_of(y(r, 0), output.cols, r));
    sum += static_cast<double>(largest(output.row(r))) - static_cast<double>(logit);
  }
  for (std::size_t r = 0; r < output.rows; ++r)
    sum += std::log(sum_of_exponentials(output.row(r), largest(output.row(r))));
  return sum;
}

/// e <- z - max(z) for one row; returns the maximum. Both may be the same memory.
template <class T>
T subtract_largest(std::span<const T> z, std::span<T> e) {
  const T m = largest(z);
  for (std::size_t c = 0; c < z.size(); ++c) e[c] = z[c] - m;
  return m;
}

template <class T>
void exponentiate(MatrixView<T> e) {
  e = as_one_row(e, e.stride == e.cols);
  for (std::size_t r = 0; r < e.rows; ++r) exponentials<T>(e.row(r).data(), e.row(r).data(), e.cols);
}

/// row <- factor * row / Σ row. Returns the sum.
template <class T>
double normalize(std::span<T> row, T factor) {
  double sum = 0;
  for (const T e : row) sum += static_cast<double>(e);
  const T ratio = static_cast<T>(static_cast<double>(factor) / sum);
  for (T& e : row) e *= ratio;
  return sum;
}

template <class T>
double cross_entropies_and_slopes(MatrixView<const T> output, MatrixView<const T> y, T scale, MatrixView<T> delta) {
  double sum = 0;
  for (std::size_t r = 0; r < output.rows; ++r) {
    const auto logit = static_cast<double>(output(r, class_of(y(r, 0), output.cols, r)));  // delta may overwrite it
    sum += static_cast<double>(subtract_largest(output.row(r), delta.row(r))) - logit;
  }
  exponentiate(delta);
  for (std::size_t r = 0; r < output.rows; ++r) {
    sum += std::log(normalize(delta.row(r), scale));
    delta(r, class_of(y(r, 0), output.cols, r)) -= scale;
  }
  return sum;
}

template <class T>
void to_softmax(MatrixView<T> output) {
  for (std::size_t r = 0; r < output.rows; ++r) subtract_largest<T>(output.row(r), output.row(r));
  exponentiate(output);
  for (std::size_t r = 0; r < output.rows; ++r) normalize(output.row(r), T{1});
}

template <class T>
void to_sigmoid(std::span<T> row) {
  for_each_chunk<T>(row, [&](std::size_t first, std::size_t count, const T* p, const T*) {
    std::copy_n(p, count, row.data() + first);
  });
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
      return binary_cross_entropies(output, y, T{0}, MatrixView<T>{});
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
      return binary_cross_entropies(output, y, scale, delta);
    case Loss::kCategoricalCrossEntropy:
      return cross_entropies_and_slopes(output, y, scale, delta);
  }
  return 0;  // unreachable: the switch covers the enumeration
}

template <class T>
void to_prediction(Loss loss, MatrixView<T> output) {
  if (loss == Loss::kCategoricalCrossEntropy) to_softmax(output);
  if (loss != Loss::kBinaryCrossEntropy) return;
  for (std::size_t r = 0; r < output.rows; ++r) to_sigmoid(output.row(r));
}

#define GRADLOOM_INSTANTIATE(T)                                                                     \
  template double loss_sum(Loss, MatrixView<const T>, MatrixView<const T>);                         \
  template double loss_and_delta(Loss, MatrixView<const T>, MatrixView<const T>, T, MatrixView<T>); \
  template void to_prediction(Loss, MatrixView<T>)
GRADLOOM_INSTANTIATE(float);
GRADLOOM_INSTANTIATE(double);
#undef GRADLOOM_INSTANTIATE

}  // namespace gradloom
