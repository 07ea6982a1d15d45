#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/io/input_file.hpp"

namespace gradloom {

enum class IdxType : std::uint8_t { kUint8 = 8, kInt8 = 9, kInt16 = 11, kInt32 = 12, kFloat = 13, kDouble = 14 };

/// Reads an IDX file (yann.lecun.com/exdb/mnist, "the IDX file format"), plain or gzipped: two zero bytes, a type, a
/// rank, a big-endian 32-bit size per dimension, then big-endian elements, the last dimension fastest.
class IdxReader {
 public:
  /// Reads the header. DataError where it is not one, is cut short, or promises another size than the file has.
  explicit IdxReader(const std::string& path, const std::string& name = "");

  [[nodiscard]] const std::string& name() const { return input_.name(); }
  [[nodiscard]] IdxType type() const { return type_; }
  [[nodiscard]] const std::vector<std::uint64_t>& shape() const { return shape_; }
  [[nodiscard]] std::uint64_t rows() const { return shape_.front(); }
  /// Elements of one row: the product of the other dimensions.
  [[nodiscard]] std::size_t row_elements() const { return row_elements_; }
  [[nodiscard]] std::size_t element_bytes() const;

  /// The next rows, out.size() / row_elements() of them. DataError where the file ends first. double holds every type's
  /// values exactly.
  void read(std::span<double> out);
  /// DataError where anything follows the last row.
  void require_end();

 private:
  void read_bytes(std::span<char> out);

  InputFile input_;
  IdxType type_ = IdxType::kUint8;
  std::vector<std::uint64_t> shape_;
  std::size_t row_elements_ = 0;
  std::vector<char> raw_;
};

/// Whether a file begins as IDX does, with two zero bytes: no text does.
bool looks_like_idx(const std::string& path);

}  // namespace gradloom
