#include "engine/io/hdf5_filters.hpp"

#include <cstring>
#include <numeric>

#include "support/catch.hpp"
#include "support/deflated.hpp"
#include "support/throws.hpp"

namespace gradloom::h5 {
namespace {

using testing::deflated;
using testing::has_text;
using testing::message_of;

using Bytes = std::vector<std::uint8_t>;

Buffer buffer_of(const Bytes& bytes) {
  Buffer buffer(bytes.size());
  if (!bytes.empty()) std::memcpy(buffer.data(), bytes.data(), bytes.size());
  return buffer;
}

Bytes bytes_in(const Buffer& buffer) {
  Bytes bytes(buffer.size());
  if (!bytes.empty()) std::memcpy(bytes.data(), buffer.data(), bytes.size());
  return bytes;
}

Bytes counted_bytes(std::size_t count) {
  Bytes bytes(count);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{1});
  return bytes;
}

Bytes summed(Bytes bytes) {
  const std::uint32_t sum = fletcher32(std::as_bytes(std::span(bytes)));
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<std::uint8_t>(sum >> (8 * i)));
  return bytes;
}

const Filter kDeflate{FilterKind::kDeflate, 1};
const Filter kFletcher32{FilterKind::kFletcher32, 1};

Filter shuffle(std::size_t element) { return {FilterKind::kShuffle, element}; }

Bytes undone(const std::vector<Filter>& filters, const Bytes& stored, std::size_t chunk_bytes,
             std::uint32_t skipped = 0) {
  return bytes_in(undo_filters(filters, skipped, buffer_of(stored), chunk_bytes));
}

std::string refusal(const std::vector<Filter>& filters, const Bytes& stored, std::size_t chunk_bytes,
                    std::uint32_t skipped = 0) {
  return message_of<Unreadable>([&] { undone(filters, stored, chunk_bytes, skipped); });
}

TEST_CASE("A deflated chunk has exactly the bytes of its shape", "[hdf5]") {
  const Bytes chunk = counted_bytes(1000);
  const Bytes packed = deflated(chunk);
  CHECK(undone({kDeflate}, packed, 1000) == chunk);
  CHECK_THAT(refusal({kDeflate}, packed, 999), has_text("more than its 999 bytes"));
  CHECK_THAT(refusal({kDeflate}, packed, 1001), has_text("fewer than its 1001 bytes"));
  CHECK_THAT(refusal({kDeflate}, Bytes(packed.begin(), packed.end() - 5), 1000), has_text("damaged"));
  CHECK_THAT(refusal({kDeflate}, counted_bytes(50), 1000), has_text("damaged"));
  CHECK_THAT(refusal({kDeflate}, {}, 1000), has_text("damaged"));
}

TEST_CASE("A chunk that inflates without an end takes no more than its shape", "[hdf5]") {
  const Bytes bomb = deflated(Bytes(64 << 20, 0));  // a thousand times smaller
  CHECK_THAT(refusal({kDeflate}, bomb, 4096), has_text("more than its 4096 bytes"));
}

TEST_CASE("Shuffled elements of any size come out in order", "[hdf5]") {
  const std::size_t element = GENERATE(1, 2, 3, 4, 8, 16, 50);
  CAPTURE(element);
  const Bytes chunk = counted_bytes(101);  // the last element is not whole
  Bytes planes(chunk);
  const std::size_t count = chunk.size() / element;
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t k = 0; k < element; ++k) planes[k * count + i] = chunk[i * element + k];
  CHECK(undone({shuffle(element)}, planes, chunk.size()) == chunk);
}

TEST_CASE("Shuffled elements that are larger than the chunk stay as they are", "[hdf5]") {
  CHECK(undone({shuffle(std::size_t{1} << 40)}, counted_bytes(10), 10) == counted_bytes(10));
  CHECK_THAT(refusal({shuffle(0)}, counted_bytes(10), 10), has_text("names no size"));
}

TEST_CASE("fletcher32 is the sum over big-endian pairs", "[hdf5]") {
  const auto sum = [](const Bytes& bytes) { return fletcher32(std::as_bytes(std::span(bytes))); };
  // By hand: 0x0102 + 0x0304 = 0x0406, and 0x0102 + 0x0406 = 0x0508 above it; an odd byte is the upper one of a pair.
  CHECK(sum({1, 2, 3, 4}) == 0x05080406);
  CHECK(sum({1, 2, 3}) == 0x05040402);
  CHECK(sum({}) == 0);
  CHECK(sum(Bytes(2000, 0xFF)) == 0xFFFFFFFF);  // many carries
}

TEST_CASE("A chunk is held to its checksum", "[hdf5]") {
  Bytes stored = summed(counted_bytes(9));
  CHECK(undone({kFletcher32}, stored, 9) == counted_bytes(9));
  std::swap(stored[9], stored[10]);  // as HDF5 1.6.2 wrote it
  std::swap(stored[11], stored[12]);
  CHECK(undone({kFletcher32}, stored, 9) == counted_bytes(9));
  stored[3] ^= 1;
  CHECK_THAT(refusal({kFletcher32}, stored, 9), has_text("does not match its checksum"));
  CHECK_THAT(refusal({kFletcher32}, counted_bytes(3), 9), has_text("shorter than its checksum"));
}

TEST_CASE("Filters are undone in the order of the file, those that a chunk skipped left out", "[hdf5]") {
  const Bytes chunk = counted_bytes(64);
  const std::vector<Filter> sum_first{kFletcher32, kDeflate};
  CHECK(undone(sum_first, deflated(summed(chunk)), 64) == chunk);
  const std::vector<Filter> sum_last{kDeflate, kFletcher32};
  CHECK(undone(sum_last, summed(deflated(chunk)), 64) == chunk);
  CHECK(undone(sum_first, deflated(chunk), 64, 0b01) == chunk);
  CHECK(undone(sum_first, summed(chunk), 64, 0b10) == chunk);
  CHECK(undone(sum_first, chunk, 64, 0b11) == chunk);
  CHECK_THAT(refusal(sum_first, deflated(chunk), 64, 0b11), has_text("where its shape needs 64"));
}

TEST_CASE("A chunk without filters has the bytes of its shape", "[hdf5]") {
  CHECK(undone({}, counted_bytes(64), 64) == counted_bytes(64));
  CHECK_THAT(refusal({}, counted_bytes(63), 64), has_text("a chunk has 63 bytes where its shape needs 64"));
}

}  // namespace
}  // namespace gradloom::h5
