#include "engine/data/row_stream.hpp"

#include <array>
#include <cstring>
#include <numeric>
#include <random>

#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/raw_hdf5.hpp"
#include "support/temporary_folder.hpp"
#include "support/throws.hpp"

namespace gradloom {
namespace {

using testing::has_text;
using testing::message_of;
using testing::RawHdf5;
using testing::TemporaryFolder;

h5::DatasetInfo chunked(std::vector<std::uint64_t> shape, std::vector<std::uint64_t> chunk, bool deflated) {
  h5::DatasetInfo info;
  info.shape = std::move(shape);
  info.chunk = std::move(chunk);
  info.type_bytes = 4;
  if (deflated) info.filters = {"deflate"};
  return info;
}

RowSet floats(std::size_t cols) {
  RowSet set;
  set.path = "x";
  set.cols = cols;
  return set;
}

}  // namespace

TEST_CASE("Only bands larger than memory are turned", "[row_stream]") {
  constexpr std::uint64_t kMemory = 256 << 20;
  constexpr std::uint64_t kRows = 10'000'000'000;
  const auto plan = [&](std::size_t cols, std::vector<std::uint64_t> chunk, bool deflated) {
    return plan_bands("a.h5", floats(cols), chunked({kRows, cols}, std::move(chunk), deflated), kMemory);
  };
  CHECK_FALSE(plan(784, {}, false));
  CHECK_FALSE(plan(784, {1, 784}, true));
  CHECK_FALSE(plan(784, {1000, 1}, true));
  CHECK_FALSE(plan(784, {kRows, 784}, false));  // read in parts
  const auto columns = plan(784, {1 << 20, 1}, true);
  REQUIRE(columns);
  CHECK(columns->band_rows == 1 << 20);
  CHECK(columns->strip_cols == 8);  // 4 MiB each, of 32
  CHECK(columns->group_rows == (16 << 20) / (784 * 4));
  const auto whole = plan(784, {kRows, 1}, false);
  REQUIRE(whole);
  CHECK(whole->band_rows == kRows);
  CHECK(whole->strip_cols == 1);
  CHECK_THAT(
      message_of<ConfigError>([&] {
        plan(784, {1 << 25, 1}, true);
      }),
      has_text("a.h5: /x is stored in chunks of 134217728 bytes behind filters, which are undone for a whole chunk at "
               "once; give --memory 513MiB or more"));
  CHECK_THAT(message_of<ConfigError>([&] { plan(784, {std::uint64_t(1) << 62, 784}, true); }), has_text("--memory"));
}

TEST_CASE("A stream gives every row in order, whatever chunks, memory and blocks", "[row_stream][slow]") {
  const TemporaryFolder folder;
  std::mt19937 random(11);
  const auto up_to = [&](std::size_t most) { return random() % most + 1; };
  std::size_t turned = 0;
  for (int round = 0; round < 60; ++round) {
    const std::size_t rows = up_to(300), cols = up_to(40);
    std::vector<double> values(rows * cols);
    std::iota(values.begin(), values.end(), 0.0);
    const std::array<hsize_t, 2> chunk{up_to(rows), up_to(cols)};
    const std::uint64_t memory = 4 * chunk[0] * chunk[1] * sizeof(double) + up_to(20'000);
    INFO("rows " << rows << " cols " << cols << " chunk " << chunk[0] << " x " << chunk[1] << " memory " << memory);
    {
      const RawHdf5 raw(folder / "a.h5");
      H5Pset_chunk(raw.creation(), 2, chunk.data());
      if (round % 3 != 0) H5Pset_deflate(raw.creation(), 1);
      raw.dataset("x", H5T_IEEE_F64BE, {rows, cols}, values);
    }
    const h5::File file = h5::File::open(folder / "a.h5");
    RowSet set = floats(cols);
    set.type = h5::NumberType::kFloat64;
    turned += plan_bands("a.h5", set, file.info("x"), memory) ? 1 : 0;
    RowStream stream(file, set, file.info("x"), memory, folder / "out.h5");
    std::vector<double> out(values.size());
    for (std::size_t first = 0; first < rows;) {
      const std::size_t count = std::min(up_to(50), rows - first);
      stream.next(count, reinterpret_cast<std::byte*>(out.data() + first * cols));
      first += count;
    }
    REQUIRE(out == values);
  }
  CHECK(turned > 10);
  CHECK(folder.entries() == 1);
}

}  // namespace gradloom
