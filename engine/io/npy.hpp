#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/input_file.hpp"

namespace gradloom {

enum class NpyType : std::uint8_t {
  kBool,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kFloat16,
  kFloat32,
  kFloat64
};

/// What the header of an NPY file says about the array behind it.
struct NpyHeader {
  NpyType type = NpyType::kBool;
  bool big_endian = false;
  bool fortran_order = false;  ///< the first dimension is the fastest in the file, in place of the last
  std::vector<std::uint64_t> shape;
};

/// Reads the header's text, a Python dictionary such as {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4)}.
/// DataError about `path` where it is none, or where the elements are no numbers.
NpyHeader parse_npy_header(std::string_view text, const std::string& path);

/// Reads an array that numpy.save wrote (the format is described in numpy/lib/format.py; versions 1.0 to 3.0), plain or
/// gzipped, as rows: the first dimension counts them, the others are flattened, the last one fastest.
class NpyReader {
 public:
  /// Reads the header. DataError where it is not one, is cut short, promises more than the file can hold, or holds
  /// a single value, no rows, or empty ones.
  explicit NpyReader(const std::string& path, const std::string& name = "");

  [[nodiscard]] const std::string& name() const { return input_.name(); }
  [[nodiscard]] NpyType type() const { return header_.type; }
  [[nodiscard]] const std::vector<std::uint64_t>& shape() const { return header_.shape; }
  [[nodiscard]] std::uint64_t rows() const { return header_.shape.front(); }
  /// Elements of one row: the product of the other dimensions.
  [[nodiscard]] std::size_t row_elements() const { return row_elements_; }
  [[nodiscard]] std::size_t element_bytes() const;

  /// Rows from `first` on, out.size() / row_elements() of them. T: double (which rounds integers of 64 bits), or a type
  /// that holds all values of type() exactly. DataError where the file ends first, or where it is gzipped, in Fortran's
  /// order, and not all rows are asked for together.
  template <class T>
  void read(std::uint64_t first, std::span<T> out);
  /// DataError where anything follows the last row.
  void require_end();

 private:
  void read_header();
  void require_promise();
  void read_bytes(std::span<char> out);
  std::span<const char> raw_at(std::uint64_t element, std::size_t count);

  InputFile input_;
  NpyHeader header_;
  std::uint64_t data_offset_ = 0;  ///< bytes in front of the first element
  std::size_t row_elements_ = 0;
  std::vector<std::size_t> places_;  ///< in Fortran's order: element of a row in the file -> its place in the row
  std::vector<char> raw_;
};

/// Whether a file begins with NPY's magic.
bool looks_like_npy(const std::string& path);

}  // namespace gradloom
