#pragma once

#include <cstddef>
#include <span>

#include "gradloom/matrix.hpp"
#include "gradloom/options.hpp"

namespace gradloom {

/// Smoothed labels, for the cross-entropies; share 0 leaves them as they are.
///
/// Categorical, as torch.nn.CrossEntropyLoss(weight, label_smoothing = share) over C classes: of each row, (1 - share)
/// times its loss, and share / C times Σ_c w_c (-log p_c) / w_label. Weights of rows hold w_label already.
/// Binary: 0 and 1 become share / 2 and 1 - share / 2.
struct LabelSmoothing {
  double share = 0;  ///< in [0, 1)
  /// w, > 0; empty: 1 each. Read by categorical cross-entropy alone; the numbers must outlive the object.
  std::span<const double> class_weights;
};

/// Columns of `y` that a network with `outputs` outputs is trained against: 1 for categorical cross-entropy (class
/// indices), `outputs` for every other loss.
std::size_t target_columns(Loss loss, std::size_t outputs);

/// What a row's losses are divided by, beside the number of rows: 1 for categorical cross-entropy (a mean over rows),
/// `outputs` for every other loss (a mean over rows and outputs).
std::size_t loss_terms_per_row(Loss loss, std::size_t outputs);

/// The sum of the loss over the given rows, not yet divided by anything, added in float64 in an order that the
/// numbers of rows and outputs alone decide.
/// output (rows, outputs): predictions, or logits for the cross-entropies; y (rows, target_columns).
template <class T>
double loss_sum(Loss loss, MatrixView<const T> output, MatrixView<const T> y, const LabelSmoothing& smoothing = {});

/// The same sum, to the bit, and delta <- scale * d(sum)/d(output), (rows, outputs). With scale = 1 / (rows of the
/// whole minibatch * loss_terms_per_row) delta carries the loss's own mean, so gradients need no further division.
/// `delta` may be the same memory as `output`.
template <class T>
double loss_and_delta(Loss loss, MatrixView<const T> output, MatrixView<const T> y, T scale, MatrixView<T> delta,
                      const LabelSmoothing& smoothing = {});

/// The same where rows count unequally: Σ weight * loss, and delta <- weight / divisor * d(loss)/d(output). weights
/// (rows). With divisor = (sum of the whole minibatch's weights) * loss_terms_per_row, delta is that of the weighted
/// mean. With weights of 1 both have the bits of loss_and_delta() by a scale of 1 / divisor.
template <class T>
double weighted_loss_and_delta(Loss loss, MatrixView<const T> output, MatrixView<const T> y, const double* weights,
                               double divisor, MatrixView<T> delta, const LabelSmoothing& smoothing = {});

/// That sum alone.
template <class T>
double weighted_loss_sum(Loss loss, MatrixView<const T> output, MatrixView<const T> y, const double* weights,
                         const LabelSmoothing& smoothing = {});

/// Logits to probabilities, in place: sigmoid for binary, softmax of each row for categorical cross-entropy; the
/// identity for the other losses.
template <class T>
void to_prediction(Loss loss, MatrixView<T> output);

}  // namespace gradloom
