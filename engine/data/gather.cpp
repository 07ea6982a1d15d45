#include "engine/data/gather.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

namespace gradloom {
namespace {

constexpr std::size_t kLine = 64;       // bytes
constexpr std::size_t kLinesAhead = 4;  // of a row: from there on the processor sees the pattern itself
constexpr std::size_t kRowsAhead = 64;  // enough lines under way to fill the processor's queue
constexpr std::size_t kMostFixedCols = 16;

// A row's elements. kCols is known to the compiler, so that a narrow row is a few moves; 0: cols of them.
template <std::size_t kCols, class T>
struct Rows {
  MatrixView<const T> from;
  MatrixView<T> to;

  [[nodiscard]] std::size_t cols() const { return kCols != 0 ? kCols : from.cols; }
  void copy(std::uint64_t row, std::size_t i) const {
    std::memcpy(to.data + i * cols(), from.data + row * cols(), cols() * sizeof(T));
  }
  void prefetch(std::uint64_t row) const {
    const char* const begin = reinterpret_cast<const char*>(from.data + row * cols());
    const std::size_t bytes = std::min(cols() * sizeof(T), kLinesAhead * kLine);
    constexpr int kToRead = 0, kSecondLevel = 2;  // the first level takes far fewer requests at a time
    for (std::size_t at = 0; at < bytes; at += kLine) __builtin_prefetch(begin + at, kToRead, kSecondLevel);
  }
};

template <class X, class Y>
void gather(const X& x, const Y& y, std::span<const std::uint64_t> rows) {
  const auto prefetch = [&](std::size_t i) {
    x.prefetch(rows[i]);
    y.prefetch(rows[i]);
  };
  const auto copy = [&](std::size_t i) {
    x.copy(rows[i], i);
    y.copy(rows[i], i);
  };
  const std::size_t ahead = std::min(kRowsAhead, rows.size());
  for (std::size_t i = 0; i < ahead; ++i) prefetch(i);
  for (std::size_t i = 0; i + ahead < rows.size(); ++i) {
    prefetch(i + ahead);
    copy(i);
  }
  for (std::size_t i = rows.size() - ahead; i < rows.size(); ++i) copy(i);
}

template <class T>
struct Gathering {
  MatrixView<const T> x, y;
  std::span<const std::uint64_t> rows;
  MatrixView<T> x_out, y_out;

  template <std::size_t kCols>
  static void run(const Gathering& g) {
    const Rows<kCols, T> x{g.x, g.x_out};
    g.y.cols == 1 ? gather(x, Rows<1, T>{g.y, g.y_out}, g.rows) : gather(x, Rows<0, T>{g.y, g.y_out}, g.rows);
  }
};

template <class T, std::size_t... kCols>
void run(const Gathering<T>& gathering, std::index_sequence<kCols...>) {
  static constexpr void (*kRuns[])(const Gathering<T>&) = {&Gathering<T>::template run<kCols>...};
  const std::size_t cols = gathering.x.cols;
  kRuns[cols <= kMostFixedCols ? cols : 0](gathering);
}

}  // namespace

template <class T>
void gather_rows(MatrixView<const T> x, MatrixView<const T> y, std::span<const std::uint64_t> rows, MatrixView<T> x_out,
                 MatrixView<T> y_out) {
  run<T>({x, y, rows, x_out, y_out}, std::make_index_sequence<kMostFixedCols + 1>());
}

void gather_weights(std::span<const double> weights, std::span<const std::uint64_t> rows, double* out) {
  if (weights.empty()) return;
  for (std::size_t i = 0; i < rows.size(); ++i) out[i] = weights[rows[i]];
}

template void gather_rows(MatrixView<const float>, MatrixView<const float>, std::span<const std::uint64_t>,
                          MatrixView<float>, MatrixView<float>);
template void gather_rows(MatrixView<const double>, MatrixView<const double>, std::span<const std::uint64_t>,
                          MatrixView<double>, MatrixView<double>);

}  // namespace gradloom
