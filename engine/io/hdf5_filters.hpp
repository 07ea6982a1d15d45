#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

/// HDF5's own three filters, undone with every size known beforehand. The library's pipeline inflates without a bound
/// and does not check that what comes out has the size of a chunk. Nothing here includes HDF5.
namespace gradloom::h5 {

/// Elements that cannot be read; `what()` is the reason, to be put behind the name of file and data set.
class Unreadable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Bytes that are not zeroed first.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) : bytes_(std::make_unique_for_overwrite<std::byte[]>(size)), size_(size) {}
  Buffer(Buffer&& other) noexcept : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }
  ~Buffer() = default;

  [[nodiscard]] std::byte* data() { return bytes_.get(); }
  [[nodiscard]] const std::byte* data() const { return bytes_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return {data(), size_}; }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t size_ = 0;
};

enum class FilterKind { kDeflate, kShuffle, kFletcher32 };

/// A stage of a pipeline.
struct Filter {
  FilterKind kind = FilterKind::kDeflate;
  std::size_t element_bytes = 1;  ///< shuffle: the bytes of an element
};

/// The checksum that the filter fletcher32 puts behind a chunk, over big-endian pairs of bytes.
std::uint32_t fletcher32(std::span<const std::byte> data);

/// The chunk of `chunk_bytes` bytes that `filters`, in this order, turned into `stored`; those whose bit is set in
/// `skipped` were left out. Throws Unreadable where they cannot have.
Buffer undo_filters(std::span<const Filter> filters, std::uint32_t skipped, Buffer stored, std::size_t chunk_bytes);

}  // namespace gradloom::h5
