#pragma once

#include <cstddef>

#include "gradloom/matrix.hpp"
#include "gradloom/options.hpp"

/// Vectorised element-wise passes, chosen at run time for the machine's instruction set (Highway). Every element is
/// computed by the same sequence of operations wherever it stands, so a result does not depend on how rows are cut
/// into shards, on alignment, or on the length of a row. Defined for float and double.
namespace gradloom {

/// The name of the instruction set in use, such as "AVX3".
const char* instruction_set();

/// True where it multiplies and adds in one instruction (AVX2 and later), which the products of panels.hpp live on.
bool has_fused_multiply_add();

/// True where the derivative is worked out from the pre-activation z (gelu, silu); the others use the output a. Of
/// prelu too, whose passes are those of prelu.hpp: f may not be prelu in what follows.
bool needs_preactivation(Activation f);

/// z <- z + bias (each row), a <- f(z). z (rows, units); bias (units); a (rows, units). `a` may be the same memory as
/// `z` where needs_preactivation(f) is false: then z's values are lost.
///
/// f(z) is off by at most 2 units of the last place over the whole range, 3 for silu, 4 for selu and mish, 6 for gelu,
/// on every instruction set; subnormal results too. NaN stays NaN, and ±Inf give f's limits.
template <class T>
void add_bias_and_activate(Activation f, MatrixView<T> z, const T* bias, MatrixView<T> a);

/// a <- f(z), both (units, rows) or (rows, units), and perhaps the same memory where needs_preactivation(f) is false.
template <class T>
void activate(Activation f, MatrixView<T> z, MatrixView<T> a);

/// delta <- delta * f'(z), all (rows, units). `z` is read only where needs_preactivation(f), else only `a` is.
///
/// f'(z) is off by at most 2 epsilon of T, the error of `a` included: a few units of the last place near 1, more where
/// it is small (the tails of sigmoid and tanh, the zeros of silu' and gelu'). Of softplus, it is 1 where a > 20.
template <class T>
void multiply_by_derivative(Activation f, MatrixView<const T> z, MatrixView<const T> a, MatrixView<T> delta);

/// out[c] <- sum over rows of m(r, c), added in row order for each column. m (rows, cols); out (cols).
template <class T>
void sum_rows(MatrixView<const T> m, T* out);

/// The sum of a loss that is one of single outputs (all but categorical cross-entropy), and delta <- scale * its
/// derivative by the output, where `delta` has data; it may be the same memory as `output`. All (rows, outputs). Losses
/// are worked out and added in float64, number i in the order of rows to partial sum i % 16, so that the sum has the
/// same bits with a delta and without, for any stride, and with any instruction set where the loss is no cross-entropy.
/// Binary cross-entropy takes y (1 - label_smoothing) + label_smoothing / 2 in place of y; the others do not read it.
template <class T>
double sum_losses(Loss loss, MatrixView<const T> output, MatrixView<const T> y, T scale, MatrixView<T> delta,
                  double label_smoothing = 0);

/// The same where rows count unequally: the sum of each loss times its row's weight, and delta <- weight / divisor *
/// derivative. weights (rows). With weights of 1 it has the bits of sum_losses() by a scale of 1 / divisor.
template <class T>
double sum_weighted_losses(Loss loss, MatrixView<const T> output, MatrixView<const T> y, const double* weights,
                           double divisor, MatrixView<T> delta, double label_smoothing = 0);

/// The largest of n > 0 numbers z, and Σ e^(z - largest), added in float64 as losses are.
template <class T>
struct Exponentials {
  T largest;
  double sum;
};

/// e[i] <- e^(z[i] - largest) for i < n, unless e is null; it may be the same memory as z.
template <class T>
Exponentials<T> exponentiate(const T* z, T* e, std::size_t n);

/// p[i] <- sigmoid(z[i]) for i < n. Both may be the same memory.
template <class T>
void sigmoids(const T* z, T* p, std::size_t n);

/// sum[i] <- sum[i] + term[i] for i < n.
template <class T>
void add_to(T* sum, const T* term, std::size_t n);

/// average[i] <- decay * average[i] + (1 - decay) * values[i] for i < n, both factors rounded to T. The same bits on
/// every instruction set.
template <class T>
void move_average(T* average, const T* values, double decay, std::size_t n);

/// True where every element is finite.
template <class T>
bool all_finite(const T* values, std::size_t n);

}  // namespace gradloom
