#include "engine/data/table_statistics.hpp"

#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "engine/core/random.hpp"
#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/raw_hdf5.hpp"
#include "support/same_bits.hpp"
#include "support/temporary_folder.hpp"
#include "support/throws.hpp"

namespace gradloom {
namespace {

using testing::has_text;
using testing::message_of;
using testing::RawHdf5;
using testing::same_bits;
using testing::TemporaryFolder;

std::vector<double> uniform_numbers(std::size_t count) {
  const CounterRandom random(1, RandomUse::kShuffle);
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = random.uniform(i) - 0.25;
  return values;
}

// /x (rows, cols) of float64 in these chunks, deflated.
void write_chunked(const std::string& path, const std::vector<double>& values, std::array<hsize_t, 2> shape,
                   std::array<hsize_t, 2> chunk) {
  const RawHdf5 raw(path);
  H5Pset_chunk(raw.creation(), 2, chunk.data());
  H5Pset_deflate(raw.creation(), 1);
  raw.dataset("x", H5T_IEEE_F64LE, {shape[0], shape[1]}, values);
}

h5::DatasetInfo info_of(std::vector<std::uint64_t> shape, std::vector<std::uint64_t> chunk) {
  h5::DatasetInfo info;
  info.shape = std::move(shape);
  info.chunk = std::move(chunk);
  info.type_class = h5::TypeClass::kFloat;
  info.type_bytes = 4;
  return info;
}

TEST_CASE("every layout gives the bits that the rows in memory have", "[statistics][threads]") {
  const TemporaryFolder folder;
  // The last one's chunks of all columns are too much at once: they are read in three groups.
  const auto& [rows, cols, chunk] = GENERATE(table<hsize_t, hsize_t, std::array<hsize_t, 2>>(
      {{60'000, 20, {700, 20}}, {60'000, 20, {7000, 3}}, {300'000, 15, {300'000, 1}}}));
  const std::vector<double> values = uniform_numbers(rows * cols);
  write_chunked(folder / "a.h5", values, {rows, cols}, chunk);
  const Statistics in_memory = statistics_of<double>({values.data(), rows, cols}, {}, nullptr);
  const h5::File file = h5::File::open(folder / "a.h5");
  for (const std::size_t threads : {1, 2, 8}) {
    const TableStatistics table = table_statistics(file, "/x", {threads, 0});
    CHECK(same_bits(table.columns.mean, in_memory.mean));
    CHECK(same_bits(table.columns.deviation, in_memory.deviation));
    CHECK(same_bits(table.columns.min, in_memory.min));
    CHECK(same_bits(table.columns.count, in_memory.count));
    CHECK(table.whole == std::vector<std::uint8_t>(cols, 0));
    CHECK_FALSE(table.counts);
  }
}

TEST_CASE("a set is cut to suit its chunks, within bounds of memory", "[statistics]") {
  const TablePlan rows = table_plan(info_of({1 << 20, 784}, {1024, 784}), 4, 8);
  CHECK(rows.groups() == 1);
  CHECK(rows.span_rows % rows.unit_rows == 0);
  CHECK(rows.unit_rows % rows.block_rows == 0);
  CHECK(rows.span_rows >= 4 * 1024);
  CHECK(rows.workers == 8);
  const TablePlan columns = table_plan(info_of({1 << 20, 784}, {1 << 20, 1}), 4, 8);  // 4 MiB a chunk
  CHECK(columns.group_columns == 8);
  CHECK(columns.spans() == 1);
  CHECK(columns.workers == 8);
  const TablePlan huge = table_plan(info_of({std::uint64_t{1} << 34, 3}, {std::uint64_t{1} << 30, 1}), 4, 8);
  CHECK(huge.group_columns == 1);
  CHECK(huge.workers == 1);  // a chunk alone takes 4 GiB
  CHECK(table_plan(info_of({10, 3}, {}), 8, 8).workers == 1);
  CHECK(table_plan(info_of({0, 3}, {}), 8, 8).workers == 1);
  CHECK(table_plan(info_of({10, 3'000'000}, {}), 8, 8).columns == kMostColumns);
  CHECK(table_plan(info_of({10'000'000'000}, {1'000'000}), 4, 8).workers == 8);
}

TEST_CASE("whole numbers are seen and counted", "[statistics]") {
  const TemporaryFolder folder;
  std::vector<double> labels(5000), mixed(5000);
  for (std::size_t r = 0; r < labels.size(); ++r) {
    labels[r] = r % 7 == 0 ? NAN : static_cast<double>(r % 3) - 1;
    mixed[r] = r == 4000 ? 0.5 : 1e17;
  }
  {
    const RawHdf5 raw(folder / "a.h5");
    raw.dataset("labels", H5T_IEEE_F64BE, {5000}, labels);
    raw.dataset("mixed", H5T_IEEE_F64LE, {5000, 1}, mixed);
    raw.dataset("rows", H5T_IEEE_F64LE, {2500, 2}, labels);
  }
  const h5::File file = h5::File::open(folder / "a.h5");
  const TableStatistics of_labels = table_statistics(file, "/labels", {2, 10});
  REQUIRE(of_labels.counts);
  CHECK(of_labels.counts->size() == 3);
  CHECK(of_labels.counts->at(-1) == 1428);
  CHECK(of_labels.whole[0] == 1);
  CHECK(of_labels.columns.missing[0] == 715);
  CHECK_FALSE(table_statistics(file, "/labels", {1, 2}).counts);  // more than two different ones
  CHECK_FALSE(table_statistics(file, "/rows", {1, 10}).counts);
  const TableStatistics of_mixed = table_statistics(file, "/mixed", {1, 10});
  CHECK_FALSE(of_mixed.counts);
  CHECK(of_mixed.whole[0] == 0);
}

TEST_CASE("of damaged chunks the first one is told, on any number of threads", "[statistics][threads]") {
  const TemporaryFolder folder;
  const std::string path = folder / "a.h5";
  const std::vector<double> values = uniform_numbers(1'200'000);
  write_chunked(path, values, {1'200'000, 1}, {10'000, 1});
  const std::uint64_t bytes = std::filesystem::file_size(path);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  for (const double part : {0.4, 0.5, 0.6, 0.7, 0.8}) {
    file.seekp(static_cast<std::streamoff>(part * static_cast<double>(bytes)));
    file << std::string(3000, '\xFF');
  }
  file.close();
  const auto message = [&](std::size_t threads) {
    return message_of<DataError>([&] { table_statistics(h5::File::open(path), "/x", {threads, 0}); });
  };
  const std::string alone = message(1);
  CHECK_THAT(alone, has_text("/x rows "));
  for (int i = 0; i < 5; ++i) CHECK(message(8) == alone);
}

}  // namespace
}  // namespace gradloom
