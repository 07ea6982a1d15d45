#include <cmath>
#include <cstring>
#include <vector>

#include "engine/linalg/kernels.hpp"
#include "engine/linalg/narrow.hpp"
#include "engine/linalg/panels.hpp"
#include "support/catch.hpp"
#include "support/instruction_sets.hpp"
#include "support/random_matrix.hpp"
#include "support/same_bits.hpp"

using namespace gradloom;
using gradloom::testing::random_matrix;
using gradloom::testing::same_bits;

namespace {

template <class T>
Matrix<T> transposed(const Matrix<T>& m) {
  Matrix<T> t(m.cols(), m.rows());
  for (std::size_t r = 0; r < m.rows(); ++r)
    for (std::size_t c = 0; c < m.cols(); ++c) t(c, r) = m(r, c);
  return t;
}

// The naive twin, to the bit: start + a0 b0 + a1 b1 + ... in this order, fused where the kernels are.
template <class T>
T chain(T sum, const Matrix<T>& a, std::size_t row, const Matrix<T>& b, std::size_t col) {
  const bool fused = has_fused_multiply_add();
  for (std::size_t k = 0; k < a.cols(); ++k)
    sum = fused ? std::fma(a(row, k), b(k, col), sum) : sum + a(row, k) * b(k, col);
  return sum;
}

template <class T>
Matrix<T> naive_product(const Matrix<T>& a, const Matrix<T>& b, const std::vector<T>& start_of_columns) {
  Matrix<T> c(a.rows(), b.cols());
  for (std::size_t r = 0; r < c.rows(); ++r)
    for (std::size_t i = 0; i < c.cols(); ++i) c(r, i) = chain(start_of_columns[i], a, r, b, i);
  return c;
}

// A matrix inside a wider one of NaN, so that a write beside it can be seen.
template <class T>
struct Framed {
  static constexpr std::size_t kGap = 5;
  Framed(std::size_t rows, std::size_t cols) : whole(rows + 1, cols + kGap, std::numeric_limits<T>::quiet_NaN()) {
    view = {whole.data(), rows, cols, whole.cols()};
  }
  [[nodiscard]] bool frame_intact() const {
    for (std::size_t r = 0; r < whole.rows(); ++r)
      for (std::size_t c = r < view.rows ? view.cols : 0; c < whole.cols(); ++c)
        if (!std::isnan(whole(r, c))) return false;
    return true;
  }
  Matrix<T> whole;
  MatrixView<T> view;
};

struct Sizes {
  std::size_t rows, cols, depth;
};
// Every count of vectors in a panel and of rows in a tile, partial vectors, several panels, and depths of one block, of
// two (512 rows; 2050 where a panel is packed once) and of none. Rows that fill vectors, and rows that do not: the
// latter have B packed where there is a transpose, the former A.
const std::vector<Sizes> kSizes = {{1, 1, 1},      {6, 64, 3},     {7, 10, 30},    {13, 300, 28},
                                   {5, 16, 0},     {25, 33, 100},  {64, 47, 17},   {3, 130, 65},
                                   {17, 48, 600},  {12, 80, 512},  {2, 256, 1100}, {16, 97, 65},
                                   {32, 50, 2050}, {48, 103, 129}, {127, 49, 90},  {144, 64, 48}};

}  // namespace

namespace {

template <class T>
void check_transposed_products() {
  for (const auto& [rows, cols, depth] : kSizes) {
    const Matrix<T> a = random_matrix<T>(rows, depth, 1), b = random_matrix<T>(cols, depth, 2);
    const Matrix<T> start = random_matrix<T>(1, cols, 3);
    const Matrix<T> expected = naive_product(a, transposed(b), std::vector<T>(start.data(), start.data() + cols));
    Framed<T> c(rows, cols), spread(cols, depth);
    for (std::size_t i = 0; i < cols; ++i) std::copy_n(b.row(i).data(), depth, spread.view.row(i).data());
    multiply_transposed<T>(a.view(), spread.view, start.data(), c.view);
    CHECK(same_bits<T>(c.view, expected.view()));
    CHECK(c.frame_intact());
    for (std::size_t r = 0; r < rows; ++r) {  // row by row: the same bits
      Framed<T> one(1, cols);
      multiply_transposed<T>(a.view().row_range(r, 1), b.view(), start.data(), one.view);
      REQUIRE(same_bits<T>(one.view, expected.view().row_range(r, 1)));
      REQUIRE(one.frame_intact());
    }
  }
}

}  // namespace

TEMPLATE_TEST_CASE("products with a transpose are chains in the order of the inner dimension", "[linalg]", float,
                   double) {
  on_every_instruction_set([] { check_transposed_products<TestType>(); });
}

namespace {

template <class T>
void check_products_in_place() {
  for (const auto& [rows, cols, depth] : kSizes) {
    const Matrix<T> a = random_matrix<T>(rows, depth, 1), b = random_matrix<T>(depth, cols, 2);
    const Matrix<T> expected = naive_product(a, b, std::vector<T>(cols, T{0}));
    const Matrix<T> flipped = transposed(a);
    // Rows side by side, with a gap, and a power of two apart, where they are copied.
    for (const std::size_t stride : {cols, cols + 3, (cols + 1023) / 1024 * 1024}) {
      std::vector<T> spread((depth + 1) * stride);
      for (std::size_t k = 0; k < depth; ++k) std::memcpy(&spread[k * stride], b.row(k).data(), cols * sizeof(T));
      const MatrixView<const T> right(spread.data(), depth, cols, stride);
      Framed<T> c(rows, cols), d(rows, cols);
      Matrix<T> next = random_matrix<T>(rows, cols, 3);
      multiply<T>(a.view(), Transpose::kNo, right, c.view);
      multiply<T>(flipped.view(), Transpose::kYes, right, d.view, next.view());
      CHECK(same_bits<T>(c.view, expected.view()));
      CHECK(same_bits<T>(d.view, expected.view()));
      CHECK(c.frame_intact());
      CHECK(d.frame_intact());
      CHECK(same_bits<T>(next.view(), random_matrix<T>(rows, cols, 3).view()));
    }
  }
}

}  // namespace

TEMPLATE_TEST_CASE("products with B as it stands are the same chains", "[linalg]", float, double) {
  on_every_instruction_set([] { check_products_in_place<TestType>(); });
}

namespace {

template <class T>
void check_narrow_products() {
  for (const std::size_t rows : {16, 32, 48, 64, 80, 256}) {
    for (const auto& [units, inputs] :
         {std::pair<std::size_t, std::size_t>{1, 1}, {30, 3}, {10, 30}, {3, 10}, {13, 7}}) {
      const Matrix<T> w = random_matrix<T>(units, inputs, 1), bias = random_matrix<T>(units, 1, 2);
      Matrix<T> a = random_matrix<T>(inputs + 1, rows, 3);
      std::ranges::fill(a.row(inputs), T{1});
      const Matrix<T> dz = random_matrix<T>(units, rows, 4);
      const MatrixView<const T> inputs_only(a.data(), inputs, rows);

      Framed<T> z(units, rows), da(inputs, rows), dw(units, inputs);
      narrow_forward<T>(w.view(), bias.data(), inputs_only, z.view);
      narrow_backward<T>(w.view(), dz.view(), da.view);
      std::vector<T> db(units);
      narrow_gradient<T>(dz.view(), a.view(), dw.view, db.data());
      for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t u = 0; u < units; ++u) REQUIRE(z.view(u, r) == chain(bias(u, 0), w, u, a, r));
        for (std::size_t i = 0; i < inputs; ++i) REQUIRE(da.view(i, r) == chain(T{0}, transposed(w), i, dz, r));
      }
      for (std::size_t u = 0; u < units; ++u) {
        for (std::size_t i = 0; i <= inputs; ++i) {
          long double exact = 0, magnitude = 0;
          for (std::size_t r = 0; r < rows; ++r) {
            const auto term = static_cast<long double>(dz(u, r)) * a(i, r);
            exact += term;
            magnitude += std::abs(term);
          }
          // rows / 16 fused sums in a lane, then four more across lanes.
          const long double bound =
              static_cast<long double>(rows / 16 + 5) * std::numeric_limits<T>::epsilon() * magnitude;
          REQUIRE(std::abs((i < inputs ? dw.view(u, i) : db[u]) - exact) <= bound);
        }
      }
      CHECK(z.frame_intact());
      CHECK(da.frame_intact());
      CHECK(dw.frame_intact());
    }
  }
}

}  // namespace

TEMPLATE_TEST_CASE("products of narrow layers agree with their definitions", "[linalg]", float, double) {
  on_every_instruction_set([] { check_narrow_products<TestType>(); });
}

TEMPLATE_TEST_CASE("rows of zeros change nothing in a narrow gradient", "[linalg]", float, double) {
  using T = TestType;
  const Matrix<T> dz = random_matrix<T>(7, 48, 1), a = random_matrix<T>(6, 48, 2);
  Matrix<T> padded_dz(7, 64, T{0}), padded_a(6, 64, T{1});
  for (std::size_t r = 0; r < 48; ++r) {
    for (std::size_t u = 0; u < 7; ++u) padded_dz(u, r) = dz(u, r);
    for (std::size_t i = 0; i < 6; ++i) padded_a(i, r) = a(i, r);
  }
  Matrix<T> dw(7, 5), padded_dw(7, 5);
  std::vector<T> db(7), padded_db(7);
  narrow_gradient<T>(dz.view(), a.view(), dw.view(), db.data());
  narrow_gradient<T>(padded_dz.view(), padded_a.view(), padded_dw.view(), padded_db.data());
  CHECK(same_bits<T>(dw.view(), padded_dw.view()));
  CHECK(db == padded_db);
}
