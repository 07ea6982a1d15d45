#pragma once

#include <concepts>
#include <cstring>
#include <span>
#include <vector>

#include "gradloom/matrix.hpp"

namespace gradloom::testing {

/// Whether numbers are the same bit for bit: a NaN is itself, and 0 is not -0.
template <std::floating_point T>
bool same_bits(T a, T b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}

template <class T>
bool same_bits(std::span<const T> a, std::span<const T> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return same_bits(std::span<const T>(a), std::span<const T>(b));
}

template <class T>
bool same_bits(const AlignedBuffer<T>& a, const AlignedBuffer<T>& b) {
  return same_bits(std::span<const T>(a.data(), a.size()), std::span<const T>(b.data(), b.size()));
}

/// What lies between the rows does not count.
template <class T>
bool same_bits(MatrixView<const T> a, MatrixView<const T> b) {
  if (a.rows != b.rows || a.cols != b.cols) return false;
  for (std::size_t r = 0; r < a.rows; ++r)
    if (!same_bits(std::span<const T>(a.row(r)), std::span<const T>(b.row(r)))) return false;
  return true;
}

}  // namespace gradloom::testing
