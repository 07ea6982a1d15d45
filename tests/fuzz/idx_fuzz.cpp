// An IDX file, plain and gzipped: both read the same.

#include <bit>
#include <vector>

#include "engine/io/idx.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/gzipped.hpp"

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

}  // namespace
}  // namespace gradloom::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gradloom::fuzz;
  static const MemoryFile file;
  const std::string_view input = as_text(data, size);
  file.hold(input);
  const auto plain = accepted([&] { return read_values(file.path()); });
  if (is_gzip(input)) return 0;
  if (!input.starts_with(std::string_view("\0\0", 2))) {
    require(!plain, "only what begins with two zero bytes is IDX");
    return 0;
  }
  file.hold(gzipped(input));
  const auto inflated = accepted([&] { return read_values(file.path()); });
  require(plain == inflated, "gzip makes no difference");
  return 0;
}
