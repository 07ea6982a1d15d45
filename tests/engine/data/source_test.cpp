#include "engine/data/source.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <numeric>

#include "engine/io/hdf5.hpp"
#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/raw_hdf5.hpp"
#include "support/special_numbers.hpp"
#include "support/temporary_folder.hpp"
#include "support/throws.hpp"

namespace gradloom {
namespace {

using testing::counted;
using testing::has_text;
using testing::kInf;
using testing::kNaN;
using testing::message_of;
using testing::RawHdf5;
using testing::TemporaryFolder;

constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

// /x (rows, 3) and /y (rows), counted from `first`.
void write_set(const std::string& path, std::size_t rows, double first = 0) {
  const RawHdf5 raw(path);
  raw.dataset("x", H5T_IEEE_F32LE, {rows, 3}, counted(rows * 3, first));
  raw.dataset("y", H5T_STD_I64LE, {rows}, counted(rows, first));
}

DataSource source_of(const std::vector<std::string>& files, bool with_targets = true) {
  DataSource source;
  source.files = files;
  source.with_targets = with_targets;
  return source;
}

template <class T = float>
std::string refusal(const DataSource& source, std::uint64_t limit = kNoLimit) {
  return message_of<DataError>([&] { read_dataset<T>(source, limit); });
}

TEST_CASE("Files are named by paths and globs, in order", "[source]") {
  const TemporaryFolder folder;
  for (const auto* name : {"b1.h5", "b0.h5", "a.h5", "odd[1].h5"}) std::ofstream(folder / name) << "x";
  const std::string a = folder / "a.h5";
  CHECK(expand_files(folder / "b*.h5" + "  " + a, "") ==
        std::vector<std::string>{folder / "b0.h5", folder / "b1.h5", a});
  CHECK(expand_files(folder / "?.h5", "") == std::vector<std::string>{a});
  CHECK(expand_files(folder / "odd[1].h5", "") == std::vector<std::string>{folder / "odd[1].h5"});
  CHECK_THAT(message_of<ConfigError>([&] { expand_files(a + " " + folder / "c.h5", "c.ini:7: data.train"); }),
             has_text("c.ini:7: data.train: no such file: " + folder / "c.h5"));
  CHECK_THAT(message_of<ConfigError>([&] { expand_files(folder / "c*", "data.valid"); }),
             has_text("data.valid: no file matches"));
  CHECK_THAT(message_of<ConfigError>([&] { expand_files("  ", "data.valid"); }), has_text("names no file"));
  std::ofstream(folder / "my data.h5") << "x";
  CHECK(expand_files(folder / "my data.h5", "") == std::vector<std::string>{folder / "my data.h5"});
}

TEST_CASE("Several files are read as one", "[source]") {
  const TemporaryFolder folder;
  write_set(folder / "a.h5", 2);
  write_set(folder / "b.h5", 3, 100);
  const DataSource source = source_of({folder / "b.h5", folder / "a.h5"});
  const SourceShape shape = source_shape(source);
  CHECK(shape.rows == 5);
  CHECK(shape.features == 3);
  CHECK(shape.outputs == 1);
  CHECK(bytes_in_memory(shape, 4) == 5 * 4 * 4);
  const Dataset<float> data = read_dataset<float>(source, 80);
  CHECK(data.x(0, 0) == 100);
  CHECK(data.x(2, 2) == 108);
  CHECK(data.x(3, 0) == 0);
  CHECK(data.x(4, 2) == 5);
  CHECK(data.y(2, 0) == 102);
  CHECK(data.y(4, 0) == 1);
  CHECK(data.source_row(4) == 4);
  CHECK(data.name == folder / "b.h5" + " and 1 more");
}

TEST_CASE("float64 keeps every bit of doubles", "[source]") {
  const TemporaryFolder folder;
  const std::vector<double> values{0.1, 1e300, -1e-310, std::nextafter(1.0, 2.0)};
  {
    const RawHdf5 raw(folder / "a.h5");
    raw.dataset("x", H5T_IEEE_F64BE, {2, 2}, values);
    raw.dataset("y", H5T_IEEE_F64LE, {2, 2}, values);
  }
  const Dataset<double> data = read_dataset<double>(source_of({folder / "a.h5"}), kNoLimit);
  CHECK(std::equal(values.begin(), values.end(), data.x.data()));
  CHECK(data.outputs() == 2);
}

TEST_CASE("Other names, in groups, with or without a slash", "[source]") {
  const TemporaryFolder folder;
  {
    h5::File file = h5::File::create(folder / "a.h5");
    const std::array<std::uint64_t, 2> shape{2, 1};
    const std::array<float, 2> values{1, 2};
    file.write("/train/images", shape, values.data());
    file.write("labels", shape, values.data());
  }
  DataSource source = source_of({folder / "a.h5"});
  source.features = GENERATE("train/images", "/train/images");
  source.targets = "labels";
  CHECK(read_dataset<float>(source, kNoLimit).x(1, 0) == 2);
  source.targets = "y";
  CHECK_THAT(refusal(source), has_text("there is no data set /y (it holds /labels, /train)"));
  CHECK_THAT(refusal(source), has_text("data.targets"));
}

TEST_CASE("Targets may be left out where they are not asked for", "[source]") {
  const TemporaryFolder folder;
  RawHdf5(folder / "a.h5").dataset("x", H5T_IEEE_F32LE, {2, 3}, counted(6));
  const Dataset<float> data = read_dataset<float>(source_of({folder / "a.h5"}, false), kNoLimit);
  CHECK(data.rows() == 2);
  CHECK(data.outputs() == 0);
  CHECK_THAT(refusal(source_of({folder / "a.h5"})), has_text("there is no data set /y"));
}

TEST_CASE("Shapes that do not fit are refused from the headers", "[source]") {
  const TemporaryFolder folder;
  const std::string path = folder / "a.h5";
  const DataSource source = source_of({path});
  const auto with = [&](const std::vector<hsize_t>& x, const std::vector<hsize_t>& y) {
    const auto count = [](const std::vector<hsize_t>& dims) {
      return counted(std::accumulate(dims.begin(), dims.end(), std::size_t{1}, std::multiplies<>()));
    };
    {
      const RawHdf5 raw(path);
      raw.dataset("x", H5T_IEEE_F32LE, x, count(x));
      raw.dataset("y", H5T_IEEE_F32LE, y, count(y));
    }
    return message_of<DataError>([&] { source_shape(source); });
  };
  CHECK_THAT(with({4}, {4}), has_text("/x has shape (4); features are (rows, features)"));
  CHECK_THAT(with({4, 2, 2}, {4}), has_text("/x has shape (4, 2, 2)"));
  CHECK_THAT(with({4, 2}, {4, 1, 1}), has_text("/y has shape (4, 1, 1); targets are"));
  CHECK_THAT(with({4, 2}, {5}), has_text("/y has 5 rows and /x has 4"));
  CHECK_THAT(with({0, 2}, {0}), has_text("/x has no rows"));
  CHECK_THAT(with({4, 0}, {4}), has_text("/x has no columns"));
  CHECK_THAT(with({4, 2}, {4, 0}), has_text("/y has shape (4, 0)"));
}

TEST_CASE("Text in place of numbers is refused", "[source]") {
  const TemporaryFolder folder;
  {
    h5::File file = h5::File::create(folder / "a.h5");
    file.write_string("x", "text");
  }
  CHECK_THAT(refusal(source_of({folder / "a.h5"})), has_text("/x holds string of 4 bytes, not numbers"));
}

TEST_CASE("A link in place of the data set says so", "[source]") {
  const TemporaryFolder folder;
  {
    const RawHdf5 raw(folder / "a.h5");
    raw.dataset("z", H5T_IEEE_F32LE, {2, 3}, counted(6));
    H5Lcreate_soft("/z", raw.id(), "x", H5P_DEFAULT, H5P_DEFAULT);
  }
  CHECK_THAT(refusal(source_of({folder / "a.h5"})), has_text("/x is a soft link"));
}

TEST_CASE("Files of one source agree in their widths and names", "[source]") {
  const TemporaryFolder folder;
  write_set(folder / "a.h5", 2);
  {
    const RawHdf5 raw(folder / "b.h5");
    raw.dataset("x", H5T_IEEE_F32LE, {2, 2}, counted(4));
    raw.dataset("y", H5T_IEEE_F32LE, {2}, counted(2));
  }
  CHECK_THAT(refusal(source_of({folder / "a.h5", folder / "b.h5"})), has_text("b.h5: /x has 2 columns and"));
  for (const auto* name : {"c.h5", "d.h5"}) {
    h5::File file = h5::File::create(folder / name);
    file.create_rows<float>("x", {.cols = 2});
    const std::array<float, 2> row{1, 2};
    file.append_rows<float>("x", {row.data(), 1, 2});
    file.write_attribute("x", "names", std::vector<std::string>{"age", std::string(name)});
  }
  CHECK_THAT(refusal(source_of({folder / "c.h5", folder / "d.h5"}, false)), has_text("d.h5: /x has other names"));
}

TEST_CASE("Names of columns and classes come along", "[source]") {
  const TemporaryFolder folder;
  const std::array<std::uint64_t, 2> shape{2, 2};
  const std::array<std::uint64_t, 1> rows{2};
  const std::array<double, 4> x{1, 2, 3, kNaN};
  const std::array<std::int64_t, 2> y{0, 1};
  const auto write = [&](const std::vector<std::string>& names) {
    h5::File file = h5::File::create(folder / "a.h5");
    file.write("x", shape, x.data());
    file.write("y", rows, y.data());
    file.write_attribute("x", "names", names);
    file.write_attribute("y", "classes", std::vector<std::string>{"no", "yes"});
    file.write("clean", rows, y.data());
  };
  write({"height", "age"});
  CHECK_THAT(refusal(source_of({folder / "a.h5"})),
             has_text("a.h5: /x row 1, column 1 (\"age\") is NaN; remove such rows or import with --missing mean"));
  write({"height"});
  CHECK_THAT(refusal(source_of({folder / "a.h5"})), has_text("/x has 2 columns and 1 in its attribute names"));
  {
    const RawHdf5 raw(folder / "b.h5");
    raw.dataset("x", H5T_IEEE_F32LE, {2, 2}, counted(4));
  }
  CHECK(read_dataset<float>(source_of({folder / "b.h5"}, false), kNoLimit).feature_names.empty());
}

TEST_CASE("Whatever is not finite is found, wherever it stands", "[source]") {
  const TemporaryFolder folder;
  const auto with = [&](std::size_t at, double value) {
    std::vector<double> x = counted(400 * 3);
    std::vector<double> y = counted(400);
    (at < x.size() ? x[at] : y[at - x.size()]) = value;
    const RawHdf5 raw(folder / "a.h5");
    raw.dataset("x", H5T_IEEE_F64LE, {400, 3}, x);
    raw.dataset("y", H5T_IEEE_F64LE, {400}, y);
  };
  const DataSource source = source_of({folder / "a.h5"});
  const std::vector<std::size_t> places{0, 511, 512, 54, 1023, 1024, 1199};  // block ends of the fast check
  for (const std::size_t at : places) {
    const std::string where = fmt::format("/x row {}, column {} is ", at / 3, at % 3);
    with(at, kNaN);
    CHECK_THAT(refusal(source), has_text(where + "NaN"));
    with(at, -kInf);
    CHECK_THAT(refusal<double>(source), has_text(where + "-Inf"));
    with(at, 1e300);
    CHECK_THAT(refusal(source), has_text(where + "1e+300, too large for float32"));
    CHECK_NOTHROW(read_dataset<double>(source, kNoLimit));
  }
  with(1200 + 17, kNaN);
  CHECK_THAT(refusal(source), has_text("/y row 17, column 0 is NaN"));
  with(5, std::numeric_limits<float>::max());
  CHECK_NOTHROW(read_dataset<float>(source, kNoLimit));
}

TEST_CASE("A source over the limit is refused with both numbers", "[source]") {
  const TemporaryFolder folder;
  write_set(folder / "a.h5", 10);
  const DataSource source = source_of({folder / "a.h5"});
  CHECK_NOTHROW(read_dataset<float>(source, 160));
  const std::string message = refusal(source, 159);
  CHECK_THAT(message, has_text("takes 160 bytes in memory and data.memory allows 159; raise data.memory"));
  CHECK_THAT(refusal<double>(source, 160), has_text("takes 320 bytes"));
}

TEST_CASE("data.memory is its value, or a quarter of RAM at most", "[source]") {
  Config config;
  const std::uint64_t ram =
      static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  CHECK(memory_limit(config) > 0);
  CHECK(memory_limit(config) <= ram / 4);
  config.data.memory = 12345;
  CHECK(memory_limit(config) == 12345);
}

}  // namespace
}  // namespace gradloom
