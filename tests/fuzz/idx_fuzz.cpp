// An IDX file, plain and gzipped: both read the same.

#include <zlib.h>

#include <array>
#include <bit>
#include <vector>

#include "engine/io/idx.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace gradloom::fuzz {
namespace {

constexpr std::size_t kMostElements = 1 << 20;

// By rows, as import reads; the bits of the values, so that NaN is equal to itself.
std::vector<std::uint64_t> read_values(const std::string& path) {
  IdxReader reader(path);
  if (reader.rows() == 0) throw DataError("holds no rows");  // as import refuses it
  std::vector<std::uint64_t> bits;
  std::vector<double> row(reader.row_elements());
  for (std::uint64_t r = 0; r < reader.rows(); ++r) {
    reader.read(row);
    if (bits.size() < kMostElements)
      for (const double value : row) bits.push_back(std::bit_cast<std::uint64_t>(value));
  }
  reader.require_end();
  return bits;
}

// Stored, not deflated: a gzip file whose bytes the fuzzer sees through.
std::string gzipped(std::string_view content) {
  z_stream stream{};
  require(deflateInit2(&stream, Z_NO_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK, "deflate");
  std::string out(deflateBound(&stream, content.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  require(deflate(&stream, Z_FINISH) == Z_STREAM_END, "deflate ends");
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace
}  // namespace gradloom::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gradloom::fuzz;
  static const MemoryFile file;
  const std::string_view input = as_text(data, size);
  file.hold(input);
  const auto plain = accepted([&] { return read_values(file.path()); });
  if (input.starts_with("\x1f\x8b")) return 0;
  if (!input.starts_with(std::string_view("\0\0", 2))) {
    require(!plain, "only what begins with two zero bytes is IDX");
    return 0;
  }
  file.hold(gzipped(input));
  const auto inflated = accepted([&] { return read_values(file.path()); });
  require(plain == inflated, "gzip makes no difference");
  return 0;
}
