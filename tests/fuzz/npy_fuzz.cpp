// An NPY file, plain and gzipped, read at once and by rows: all read the same.

#include <bit>
#include <vector>

#include "engine/io/npy.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/gzipped.hpp"

namespace gradloom::fuzz {
namespace {

constexpr std::size_t kMostElements = 1 << 16;  // of arrays that are read at once, too

// The bits of the values, so that NaN is equal to itself.
std::vector<std::uint64_t> bits_of(const std::vector<double>& values) {
  std::vector<std::uint64_t> bits;
  for (const double value : values) bits.push_back(std::bit_cast<std::uint64_t>(value));
  return bits;
}

std::vector<std::uint64_t> read_values(const std::string& path) {
  NpyReader reader(path);
  std::vector<double> values, row(reader.row_elements());
  for (std::uint64_t r = 0; r < reader.rows(); ++r) {
    reader.read<double>(r, row);
    if (values.size() < kMostElements) values.insert(values.end(), row.begin(), row.end());
  }
  reader.require_end();
  if (reader.rows() * reader.row_elements() <= kMostElements) {
    std::vector<double> whole(values.size());
    reader.read<double>(0, whole);
    require(bits_of(whole) == bits_of(values), "rows make no difference");
  }
  return bits_of(values);
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
  file.hold(gzipped(input));
  const auto inflated = accepted([&] { return read_values(file.path()); });
  require(plain == inflated, "gzip makes no difference");
  return 0;
}
