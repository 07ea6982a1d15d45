#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace gradloom {

/// A row-major matrix owned by somebody else: row r starts at `data + r * stride`, stride >= cols.
/// A view never outlives what it looks at. Copying a view copies no elements.
template <class T>
struct MatrixView {
  T* data = nullptr;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t stride = 0;

  MatrixView() = default;
  MatrixView(T* data_, std::size_t rows_, std::size_t cols_, std::size_t stride_)
      : data(data_), rows(rows_), cols(cols_), stride(stride_) {}
  MatrixView(T* data_, std::size_t rows_, std::size_t cols_) : MatrixView(data_, rows_, cols_, cols_) {}

  /// Every view of mutable elements is also a view of constant ones.
  operator MatrixView<const T>() const  // NOLINT(google-explicit-constructor)
      requires(!std::is_const_v<T>) {
    return {data, rows, cols, stride};
  }

  T& operator()(std::size_t row, std::size_t col) const { return data[row * stride + col]; }
  [[nodiscard]] std::span<T> row(std::size_t r) const { return {data + r * stride, cols}; }
  /// Rows [first, first + count).
  [[nodiscard]] MatrixView row_range(std::size_t first, std::size_t count) const {
    return {data + first * stride, count, cols, stride};
  }
  [[nodiscard]] bool empty() const { return rows == 0 || cols == 0; }
};

/// At least `bytes` bytes, aligned; std::free gives them back. Large blocks are set in huge pages where the system has
/// them: rows are read in any order, and most of the time of that is translating addresses. Throws std::bad_alloc.
void* allocate_aligned(std::size_t alignment, std::size_t bytes);

/// Heap storage aligned to a cache line and a full vector register. Elements are not initialised.
template <class T>
class AlignedBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  static constexpr std::size_t kAlignment = 64;

  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t size) : data_(allocate(size)), size_(size) {}
  AlignedBuffer(std::size_t size, T value) : AlignedBuffer(size) { std::fill_n(data(), size, value); }
  AlignedBuffer(const AlignedBuffer& other) : AlignedBuffer(other.size_) { std::copy_n(other.data(), size_, data()); }
  AlignedBuffer& operator=(const AlignedBuffer& other) { return *this = AlignedBuffer(other); }
  AlignedBuffer(AlignedBuffer&& other) noexcept : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }
  ~AlignedBuffer() = default;

  [[nodiscard]] T* data() { return data_.get(); }
  [[nodiscard]] const T* data() const { return data_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::span<T> span() { return {data(), size_}; }
  [[nodiscard]] std::span<const T> span() const { return {data(), size_}; }
  T& operator[](std::size_t i) { return data_.get()[i]; }
  const T& operator[](std::size_t i) const { return data_.get()[i]; }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };

  static T* allocate(std::size_t size) {
    if (size == 0) return nullptr;
    if (size > (static_cast<std::size_t>(-1) - kAlignment) / sizeof(T)) throw std::bad_alloc();
    return static_cast<T*>(allocate_aligned(kAlignment, size * sizeof(T)));
  }

  std::unique_ptr<T[], Free> data_;
  std::size_t size_ = 0;
};

/// An owning row-major matrix without padding between rows. `Matrix(rows, cols)` leaves elements unset.
template <class T>
class Matrix {
 public:
  Matrix() = default;
  Matrix(std::size_t rows, std::size_t cols) : buffer_(rows * cols), rows_(rows), cols_(cols) {}
  Matrix(std::size_t rows, std::size_t cols, T value) : buffer_(rows * cols, value), rows_(rows), cols_(cols) {}

  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] std::size_t cols() const { return cols_; }
  [[nodiscard]] T* data() { return buffer_.data(); }
  [[nodiscard]] const T* data() const { return buffer_.data(); }
  [[nodiscard]] MatrixView<T> view() { return {buffer_.data(), rows_, cols_}; }
  [[nodiscard]] MatrixView<const T> view() const { return {buffer_.data(), rows_, cols_}; }
  T& operator()(std::size_t r, std::size_t c) { return buffer_[r * cols_ + c]; }
  const T& operator()(std::size_t r, std::size_t c) const { return buffer_[r * cols_ + c]; }
  [[nodiscard]] std::span<T> row(std::size_t r) { return view().row(r); }
  [[nodiscard]] std::span<const T> row(std::size_t r) const { return view().row(r); }
  /// Forgets rows at the end; keeps the storage. Requires rows <= rows().
  void shrink_rows(std::size_t rows) { rows_ = rows; }

 private:
  AlignedBuffer<T> buffer_;
  std::size_t rows_ = 0;
  std::size_t cols_ = 0;
};

}  // namespace gradloom
