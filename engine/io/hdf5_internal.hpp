#pragma once

#include <hdf5.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/io/hdf5.hpp"
#include "engine/io/hdf5_chunks.hpp"
#include "engine/io/hdf5_turn.hpp"

/// What the hdf5*.cpp files share. Nobody else includes this: hid_t stops here.
namespace gradloom::h5 {

/// Owns one HDF5 identifier.
class Handle {
 public:
  using CloseFunction = herr_t (*)(hid_t);

  Handle() = default;
  Handle(hid_t id, CloseFunction close_with) : id_(id), close_(close_with) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      (void)close();
      id_ = std::exchange(other.id_, H5I_INVALID_HID);
      close_ = other.close_;
    }
    return *this;
  }
  ~Handle() { (void)close(); }

  [[nodiscard]] hid_t id() const { return id_; }
  [[nodiscard]] bool valid() const { return id_ >= 0; }
  /// The identifier is given up even where closing fails: trying again cannot help.
  [[nodiscard]] bool close() {
    const hid_t given_up = std::exchange(id_, H5I_INVALID_HID);
    return given_up < 0 || close_(given_up) >= 0;
  }

 private:
  hid_t id_ = H5I_INVALID_HID;
  CloseFunction close_ = nullptr;
};

/// A data set that is open for reading, checked once.
struct ReadSet {
  Handle dataset;
  DatasetInfo info;
  bool elsewhere = false;               ///< its elements stand in other files
  std::unique_ptr<ChunkReader> chunks;  ///< none: contiguous or compact
};

/// A data set that grows.
struct GrowingSet {
  Handle dataset;
  NumberType type = NumberType::kFloat32;
  hsize_t rows = 0;
  std::size_t cols = 0;  ///< 0: one-dimensional
};

/// What stands behind a File.
struct OpenFile {
  std::string name;
  bool writable = false;
  External external = External::kRefuse;
  std::vector<std::byte> image;  ///< what an open image stands in
  Handle file;
  Allow allow = [](std::uint64_t, std::uint64_t) {};
  std::map<std::string, ReadSet> reading;
  std::map<std::string, GrowingSet> growing;

  OpenFile() = default;
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile();  ///< Closes the sets before the file.

  [[nodiscard]] hid_t id() const { return file.id(); }
};

struct File::Impl : OpenFile {
  std::unique_ptr<RemoteFile> remote;  ///< where it is open in another process: all reading is forwarded
};

/// The number type that is T.
template <class T>
constexpr NumberType number_type() {
  if constexpr (std::is_same_v<T, std::uint8_t>) return NumberType::kUint8;
  if constexpr (std::is_same_v<T, std::int32_t>) return NumberType::kInt32;
  if constexpr (std::is_same_v<T, std::int64_t>) return NumberType::kInt64;
  if constexpr (std::is_same_v<T, std::uint64_t>) return NumberType::kUint64;
  if constexpr (std::is_same_v<T, float>) return NumberType::kFloat32;
  static_assert(sizeof(T) != 8 || std::is_integral_v<T> || std::is_same_v<T, double>);
  return NumberType::kFloat64;
}

/// The set, opened and checked; the open one from the second call on.
const ReadSet& read_set(OpenFile& file, const std::string& path);

/// DataError where elements of a virtual data set, with this creation property list, have no source.
void require_virtual_sources(const OpenFile& file, const std::string& path, hid_t creation, const DatasetInfo& info);

/// DataError where the set has no such part.
void require_part(const std::string& file, const std::string& path, const DatasetInfo& info, const Part& part);

/// Reads `part`, within the shape, to `out`. DataError.
void read_part(const OpenFile& file, const std::string& path, const ReadSet& set, const Part& part, NumberType type,
               std::byte* out);

/// The elements of `part`, within the shape, by the library's own way. Throws Unreadable.
void read_slab(hid_t dataset, std::size_t type_bytes, const Part& part, hid_t wanted, std::byte* out);

/// The library's number types that need no description: the NumberTypes, each in little-endian and in big-endian order.
std::span<const hid_t> plain_types();

/// Of numbers in memory.
hid_t memory_type_of(NumberType type);

/// Little-endian on disk, whatever the machine.
hid_t file_type_of(NumberType type);

/// Elements of plain type that follow each other in the file.
struct PlainElements {
  std::uint64_t place = 0;  ///< bytes before the first
  std::uint64_t type = 0;   ///< index into plain_types()
};

/// Nothing where the part has not all columns, or the set is not contiguous, or of another type.
std::optional<PlainElements> plain_elements(const ReadSet& set, const Part& part);

/// The innermost reason of the last failed call of this thread, in one line: the system's message where it has one.
/// Every later call forgets it, the closing of a Handle too: ask before any Handle goes out of scope.
std::string last_error();

/// "/x" for "x".
std::string absolute(std::string_view path);

[[noreturn]] void throw_data_error(std::string_view file, std::string_view path, std::string_view what);
[[noreturn]] void throw_file_error(std::string_view file, std::string_view path, std::string_view what);

/// Opens the group or data set that hard links alone lead to. DataError where it is absent or behind another link.
Handle open_object(const OpenFile& file, const std::string& path);

/// Fills in what `info` says of the type. Returns what is wrong with a type that is not read; empty where nothing is.
std::string_view describe_type(hid_t type, DatasetInfo& info);

/// Extents of a data space; nothing where it has none that can be read. Empty for a scalar.
std::optional<std::vector<std::uint64_t>> shape_of(hid_t space);

/// Describes an open data set; refuses what File::info refuses.
DatasetInfo describe(const OpenFile& file, const std::string& path, hid_t dataset);

/// A creation property list without times, so that equal content gives equal bytes.
Handle creation_properties(hid_t property_class);

/// Creates the groups above `path` that are missing.
void create_parents(const OpenFile& file, const std::string& path);

}  // namespace gradloom::h5
