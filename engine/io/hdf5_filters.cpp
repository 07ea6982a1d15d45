#include "engine/io/hdf5_filters.hpp"

#include <fmt/format.h>
#include <libdeflate.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "engine/io/hdf5.hpp"

namespace gradloom::h5 {
namespace {

constexpr std::size_t kChecksumBytes = 4;

bool applied(std::uint32_t skipped, std::size_t filter) { return filter >= 32 || (skipped >> filter & 1U) == 0; }

// libdeflate takes half the time of zlib, and whole chunks are at hand.
Buffer inflated(const Buffer& packed, std::size_t size) {
  const std::unique_ptr<libdeflate_decompressor, void (*)(libdeflate_decompressor*)> inflater(
      libdeflate_alloc_decompressor(), libdeflate_free_decompressor);
  if (!inflater) throw Unreadable("there is no memory to inflate it");
  Buffer out(size);
  std::size_t used = 0;  // bytes behind the stream mean nothing, as to the library
  switch (
      libdeflate_zlib_decompress_ex(inflater.get(), packed.data(), packed.size(), out.data(), size, &used, nullptr)) {
    case LIBDEFLATE_SUCCESS:
      return out;
    case LIBDEFLATE_INSUFFICIENT_SPACE:
      throw Unreadable(fmt::format("a chunk inflates to more than its {} bytes", size));
    case LIBDEFLATE_SHORT_OUTPUT:
      throw Unreadable(fmt::format("a chunk inflates to fewer than its {} bytes", size));
    default:
      throw Unreadable("a chunk cannot be inflated: its compressed bytes are damaged");
  }
}

// Byte k of all elements stands together. A size that the compiler knows lets it use vectors.
template <std::size_t kElement>
void interleave(const std::byte* planes, std::size_t count, std::byte* out) {
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t k = 0; k < kElement; ++k) out[i * kElement + k] = planes[k * count + i];
}

void interleave(const std::byte* planes, std::size_t count, std::size_t element, std::byte* out) {
  switch (element) {
    case 2:
      return interleave<2>(planes, count, out);
    case 4:
      return interleave<4>(planes, count, out);
    case 8:
      return interleave<8>(planes, count, out);
    default:
      for (std::size_t k = 0; k < element; ++k)
        for (std::size_t i = 0; i < count; ++i) out[i * element + k] = planes[k * count + i];
  }
}

Buffer unshuffled(const Buffer& planes, std::size_t element) {
  if (element == 0) throw Unreadable("its shuffle filter names no size of elements");
  const std::size_t count = planes.size() / element;
  Buffer out(planes.size());
  interleave(planes.data(), count, count == 0 ? 0 : element, out.data());
  // Bytes behind the last whole element are as they were.
  std::copy(planes.data() + count * element, planes.data() + planes.size(), out.data() + count * element);
  return out;
}

// Byte k of all elements stands together; bytes behind the last whole element stay.
std::vector<std::byte> shuffled(std::span<const std::byte> chunk, std::size_t element_bytes) {
  std::vector<std::byte> planes(chunk.begin(), chunk.end());
  const std::size_t count = chunk.size() / element_bytes;
  for (std::size_t k = 0; k < element_bytes; ++k)
    for (std::size_t i = 0; i < count; ++i) planes[k * count + i] = chunk[i * element_bytes + k];
  return planes;
}

// HDF5 1.6.2 wrote the checksum with the bytes of each half in the other order; the library takes both.
std::uint32_t halves_swapped(std::uint32_t sum) { return (sum & 0x00FF00FFU) << 8 | (sum >> 8 & 0x00FF00FFU); }

Buffer without_checksum(const Buffer& summed) {
  if (summed.size() < kChecksumBytes) throw Unreadable("a chunk is shorter than its checksum");
  const std::size_t size = summed.size() - kChecksumBytes;
  std::uint32_t stored = 0;
  for (std::size_t i = 0; i < kChecksumBytes; ++i)
    stored |= std::to_integer<std::uint32_t>(summed.data()[size + i]) << (8 * i);
  const std::uint32_t sum = fletcher32(summed.bytes().first(size));
  if (stored != sum && stored != halves_swapped(sum))
    throw Unreadable("a chunk does not match its checksum: its bytes changed");
  Buffer out(size);
  if (size != 0) std::memcpy(out.data(), summed.data(), size);
  return out;
}

// Bytes of the chunk as it entered filter `at`: checksums before it made it longer.
std::size_t bytes_before(std::span<const Filter> filters, std::uint32_t skipped, std::size_t at,
                         std::size_t chunk_bytes) {
  std::size_t bytes = chunk_bytes;
  for (std::size_t i = 0; i < at; ++i)
    if (filters[i].kind == FilterKind::kFletcher32 && applied(skipped, i)) bytes += kChecksumBytes;
  return bytes;
}

}  // namespace

std::vector<std::byte> deflated_chunk(std::span<const std::byte> elements, std::size_t element_bytes, int level) {
  const std::vector<std::byte> planes = shuffled(elements, element_bytes);
  const std::unique_ptr<libdeflate_compressor, void (*)(libdeflate_compressor*)> deflater(
      libdeflate_alloc_compressor(level), libdeflate_free_compressor);
  if (!deflater) throw std::bad_alloc();
  std::vector<std::byte> out(libdeflate_zlib_compress_bound(deflater.get(), planes.size()));
  out.resize(libdeflate_zlib_compress(deflater.get(), planes.data(), planes.size(), out.data(), out.size()));
  return out;
}

std::uint32_t fletcher32(std::span<const std::byte> data) {
  constexpr std::size_t kPairs = 360;  // the most whose sums stay below 2^32
  const auto fold = [](std::uint32_t sum) { return (sum & 0xFFFFU) + (sum >> 16); };
  std::uint32_t first = 0, second = 0;
  std::size_t i = 0;
  while (i + 1 < data.size()) {
    const std::size_t end = std::min(i + 2 * kPairs, data.size() & ~std::size_t{1});
    for (; i < end; i += 2) {
      first += std::to_integer<std::uint32_t>(data[i]) << 8 | std::to_integer<std::uint32_t>(data[i + 1]);
      second += first;
    }
    first = fold(first);
    second = fold(second);
  }
  if (data.size() % 2 != 0) {
    first += std::to_integer<std::uint32_t>(data.back()) << 8;
    second += first;
    first = fold(first);
    second = fold(second);
  }
  return fold(second) << 16 | fold(first);
}

Buffer undo_filters(std::span<const Filter> filters, std::uint32_t skipped, Buffer stored, std::size_t chunk_bytes) {
  for (std::size_t i = filters.size(); i-- > 0;) {
    if (!applied(skipped, i)) continue;
    switch (filters[i].kind) {
      case FilterKind::kDeflate:
        stored = inflated(stored, bytes_before(filters, skipped, i, chunk_bytes));
        break;
      case FilterKind::kShuffle:
        if (filters[i].element_bytes != 1) stored = unshuffled(stored, filters[i].element_bytes);
        break;
      case FilterKind::kFletcher32:
        stored = without_checksum(stored);
        break;
    }
  }
  if (stored.size() != chunk_bytes)
    throw Unreadable(fmt::format("a chunk has {} bytes where its shape needs {}", stored.size(), chunk_bytes));
  return stored;
}

}  // namespace gradloom::h5
