#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gradloom/matrix.hpp"

/// The one home of the HDF5 C API. No hid_t leaves the hdf5*.cpp files; the library's own error printing is off. All
/// calls are for one thread at a time (the library holds one global lock).
namespace gradloom::h5 {

enum class TypeClass { kInteger, kFloat, kBoolean, kString, kOther };  ///< kBoolean: h5py's two-valued enumeration

/// Number types that a data set is read as and created with.
enum class NumberType : std::uint64_t {
  kInt8,
  kUint8,
  kInt16,
  kUint16,
  kInt32,
  kUint32,
  kInt64,
  kUint64,
  kFloat16,
  kFloat32,
  kFloat64,
  kBool  ///< a byte, 0 or 1; h5py's enumeration in the file
};
constexpr std::size_t kNumberTypes = 12;
std::size_t bytes_of(NumberType type);
std::string name_of(NumberType type);  ///< "float32"

/// What a data set is, read without reading its elements.
struct DatasetInfo {
  std::vector<std::uint64_t> shape;
  std::vector<std::uint64_t> chunk;  ///< empty: contiguous or compact
  TypeClass type_class = TypeClass::kOther;
  std::size_t type_bytes = 0;
  bool is_signed = false;
  bool big_endian = false;
  std::optional<NumberType> number;  ///< what the elements are, in either byte order; nothing: none of these
  std::vector<std::string> filters;  ///< "deflate", "shuffle", "fletcher32", or the number of a foreign one
  std::uint64_t stored_bytes = 0;    ///< bytes allocated in the file
  [[nodiscard]] bool numeric() const { return type_class <= TypeClass::kBoolean; }
  [[nodiscard]] std::string type_name() const;  ///< "float32", "uint8", "int16 big-endian", "bool"
};

/// A rectangle of a set of rows and columns (one column, where it has one dimension).
struct Part {
  std::uint64_t first = 0;  ///< row
  std::uint64_t rows = 0;
  std::uint64_t col = 0;
  std::uint64_t cols = 0;
  bool whole_rows = false;  ///< refuse a set that has other than `cols` columns
};

/// A group, a data set, or an attribute of one of the two.
struct TreeItem {
  std::string path;
  std::string attribute;  ///< empty: the group or data set itself
};

/// Elements in the type and byte order in which they stand in the file.
struct StoredValue {
  DatasetInfo info;  ///< of an attribute: type and shape
  std::vector<std::byte> bytes;
};

/// Layout of a data set that grows by rows.
struct RowsOptions {
  std::size_t cols = 0;        ///< 0: a one-dimensional set
  std::size_t chunk_rows = 0;  ///< 0: rows_in_chunk()
  int deflate = 0;             ///< 0: none; else level 1..9 behind the shuffle filter
};

/// Rows of a chunk of about 1 MiB, at least one.
std::size_t rows_in_chunk(std::size_t row_bytes);

/// All elements of a chunk, as they are stored in a set that was created with deflate at `level`: shuffled, then
/// deflated. Any thread may call it.
std::vector<std::byte> deflated_chunk(std::span<const std::byte> elements, std::size_t element_bytes, int level);

/// What to do with links to other files, and with virtual data sets, whose elements stand in other files.
enum class External { kRefuse, kFollow };

class RemoteFile;

/// An open HDF5 file. Errors that mean "the file is not what it should be" are DataError; those that the system raises
/// while writing are FileError. Messages name file and object.
class File {
 public:
  /// Opens for reading, whoever wrote it. ConfigError where there is no such file; DataError where it is not HDF5 or is
  /// cut short. The HDF5 library crashes, spins and eats memory on damaged files, so a process of its own, forked here
  /// and ended by the destructor, has the file open and answers; where it dies or exceeds its limits, that call and
  /// every later one throws DataError. kFollow lets that process open what the file names.
  static File open(const std::string& path, External external = External::kRefuse);
  /// Creates, or replaces, for writing.
  static File create(const std::string& path);
  /// A new file in memory alone; image() and memory() give its bytes.
  static File create_in_memory();
  /// Opens for reading the HDF5 file that stands in memory behind `room` bytes of a user block. `name` stands for the
  /// path in messages. The bytes are not copied.
  static File open_image(std::vector<std::byte> bytes, const std::string& name, std::size_t room = 0);

  File(File&&) noexcept;
  File& operator=(File&&) noexcept;
  ~File();

  [[nodiscard]] const std::string& name() const;

  /// The bytes of the file (flushed first), behind `room` zeros for a user block. For create_in_memory() files.
  std::vector<std::byte> image(std::size_t room = 0);
  /// The bytes where they are (flushed first), for create_in_memory() files: valid until the file is changed or closed.
  std::span<std::byte> memory();
  /// Flushes and closes, reporting what a destructor would have to swallow: FileError (no room left, I/O error).
  void close();

  [[nodiscard]] bool exists(const std::string& path) const;  ///< hard links only: external and soft links do not count
  [[nodiscard]] bool is_group(const std::string& path) const;
  [[nodiscard]] std::vector<std::string> children(const std::string& group) const;  ///< by name

  /// Refuses (DataError) external storage, virtual layouts (or those with elements that no source has), variable-length
  /// or compound types, foreign filters, and shapes that promise more than the file can hold, before anything is
  /// allocated.
  [[nodiscard]] DatasetInfo info(const std::string& path) const;

  /// Reads rows [first, first + out.rows) of a numeric set of rank 1 (out.cols = 1) or 2 (out.cols = its columns),
  /// converted to T. T: float, double, std::int64_t, std::uint64_t. out must not be strided (stride == cols).
  template <class T>
  void read_rows(const std::string& path, std::uint64_t first, MatrixView<T> out) const;
  /// The same of columns [column, column + out.cols) alone: for sets whose chunks of all columns are too much at once.
  template <class T>
  void read_columns(const std::string& path, std::uint64_t first, std::uint64_t column, MatrixView<T> out) const;

  /// Reads a part of a numeric set of rank 1 or 2 to `out`, row by row: numbers of `type` in this machine's byte order.
  /// A set of that type comes bit for bit.
  void read_elements(const std::string& path, const Part& part, NumberType type, std::byte* out) const;

  /// For files in memory: `group` and all that is below it, each item behind what holds it, otherwise by name.
  /// DataError where groups nest deeper than any file of ours (hard links may form a circle).
  [[nodiscard]] std::vector<TreeItem> tree(const std::string& group) const;
  /// For files in memory: of a data set or attribute, every bit as stored. Refuses what info() refuses.
  [[nodiscard]] StoredValue stored_value(const TreeItem& item) const;

  void create_group(const std::string& path);

  /// Writes a whole contiguous data set. T: float, double, std::int32_t, std::int64_t, std::uint8_t, std::uint64_t.
  template <class T>
  void write(const std::string& path, std::span<const std::uint64_t> shape, const T* values);

  /// Creates a whole contiguous data set in a create_in_memory() file without writing it. Returns how many bytes of
  /// memory() stand before its elements, which the caller puts there, little-endian. T as for write.
  template <class T>
  std::uint64_t reserve(const std::string& path, std::span<const std::uint64_t> shape);

  /// Creates a set of no rows that append_rows makes longer. T as for write.
  template <class T>
  void create_rows(const std::string& path, const RowsOptions& options);
  template <class T>
  void append_rows(const std::string& path, MatrixView<const T> rows);
  /// The same for numbers of a type that is known when it runs: `rows` rows of it, in this machine's byte order.
  void create_rows(const std::string& path, NumberType type, const RowsOptions& options);
  void append_elements(const std::string& path, std::size_t rows, const std::byte* elements);
  /// Appends a chunk of a set with deflate that deflated_chunk() made, behind whole chunks. `rows` rows of it count.
  void append_chunk(const std::string& path, std::size_t rows, std::span<const std::byte> chunk);

  /// Fixed-length strings, as UTF-8. `path` names a group or data set; write_string makes a scalar data set.
  void write_string(const std::string& path, const std::string& value);
  [[nodiscard]] std::string read_string(const std::string& path) const;
  void write_attribute(const std::string& path, const std::string& name, std::int64_t value);
  void write_attribute(const std::string& path, const std::string& name, std::uint64_t value);
  void write_attribute(const std::string& path, const std::string& name, double value);
  void write_attribute(const std::string& path, const std::string& name, const std::string& value);
  void write_attribute(const std::string& path, const std::string& name, const std::vector<std::string>& values);

  /// Absent attributes give nothing; attributes of another kind are DataError. Integers are converted. Strings of
  /// variable length count as absent.
  [[nodiscard]] std::optional<std::uint64_t> uint_attribute(const std::string& path, const std::string& name) const;
  [[nodiscard]] std::optional<double> double_attribute(const std::string& path, const std::string& name) const;
  [[nodiscard]] std::optional<std::string> string_attribute(const std::string& path, const std::string& name) const;
  /// Fixed-length strings; nothing where the attribute is absent or of variable length (h5py's default for str), which
  /// is not read.
  [[nodiscard]] std::optional<std::vector<std::string>> strings_attribute(const std::string& path,
                                                                          const std::string& name) const;

 private:
  friend class RemoteFile;
  struct Impl;
  static File open_in_process(const std::string& path, External external);
  explicit File(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The library's version, "HDF5 1.10.8".
std::string version();

}  // namespace gradloom::h5
