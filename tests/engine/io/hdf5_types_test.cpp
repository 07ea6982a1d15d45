#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <tuple>

#include "engine/io/hdf5.hpp"
#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/raw_hdf5.hpp"
#include "support/temporary_folder.hpp"
#include "support/throws.hpp"

namespace gradloom::h5 {
namespace {

using testing::has_text;
using testing::message_of;
using testing::RawHdf5;
using testing::TemporaryFolder;

constexpr std::size_t kRows = 37;
constexpr std::size_t kCols = 5;

std::vector<std::byte> random_bytes(std::size_t count, bool bits_alone) {
  std::mt19937 random(3);
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(bits_alone ? random() % 2 : random() % 256);
  return bytes;
}

NumberType number_at(std::size_t i) { return static_cast<NumberType>(i); }

std::vector<std::byte> read_raw(const File& file, const std::string& path, NumberType type) {
  std::vector<std::byte> out(kRows * kCols * bytes_of(type));
  file.read_elements(path, {0, kRows, 0, kCols, true}, type, out.data());
  return out;
}

}  // namespace

TEST_CASE("Elements of every type come back bit for bit, NaN's payload too", "[hdf5]") {
  const TemporaryFolder folder;
  std::vector<std::vector<std::byte>> written;
  {
    File file = File::create(folder / "a.h5");
    for (std::size_t i = 0; i < kNumberTypes; ++i) {
      const NumberType type = number_at(i);
      written.push_back(random_bytes(kRows * kCols * bytes_of(type), type == NumberType::kBool));
      file.create_rows(name_of(type), type, {.cols = kCols, .chunk_rows = 8, .deflate = i % 2 == 0 ? 0 : 3});
      const std::size_t first = kRows / 3;
      file.append_elements(name_of(type), first, written[i].data());
      file.append_elements(name_of(type), kRows - first, written[i].data() + first * kCols * bytes_of(type));
    }
    file.close();
  }
  const File file = File::open(folder / "a.h5");
  for (std::size_t i = 0; i < kNumberTypes; ++i) {
    INFO(name_of(number_at(i)));
    const DatasetInfo info = file.info(name_of(number_at(i)));
    CHECK(info.number == number_at(i));
    CHECK(info.type_name() == name_of(number_at(i)));
    CHECK(read_raw(file, name_of(number_at(i)), number_at(i)) == written[i]);
  }
}

TEST_CASE("Elements in the other byte order are turned, contiguous and chunked", "[hdf5]") {
  const TemporaryFolder folder;
  const std::array<std::tuple<const char*, hid_t, NumberType>, 3> kinds{{{"u8", H5T_STD_U64BE, NumberType::kUint64},
                                                                         {"i2", H5T_STD_I16BE, NumberType::kInt16},
                                                                         {"f8", H5T_IEEE_F64BE, NumberType::kFloat64}}};
  const bool chunked = GENERATE(false, true);
  {
    const RawHdf5 raw(folder / "a.h5");
    const std::array<hsize_t, 2> chunk{8, 2};
    if (chunked) H5Pset_chunk(raw.creation(), 2, chunk.data());
    for (const auto& [name, type, number] : kinds) {
      const auto bytes = random_bytes(kRows * kCols * bytes_of(number), false);
      raw.dataset(name, type, {kRows, kCols}, type, bytes.data());
    }
  }
  const File file = File::open(folder / "a.h5");
  for (const auto& [name, type, number] : kinds) {
    INFO(name);
    CHECK(file.info(name).number == number);
    CHECK(file.info(name).big_endian);
    std::vector<std::byte> out = read_raw(file, name, number);
    for (std::size_t i = 0; i < kRows * kCols; ++i) {
      auto* const element = out.data() + i * bytes_of(number);
      std::reverse(element, element + bytes_of(number));
    }
    CHECK(out == random_bytes(out.size(), false));
  }
}

TEST_CASE("A part of the columns is read, whatever the layout", "[hdf5]") {
  const TemporaryFolder folder;
  const std::string layout = GENERATE("contiguous", "chunked", "deflated", "large chunks");
  const std::size_t rows = layout == "large chunks" ? 300'000 : 200;
  std::vector<double> values(rows * 7);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
  {
    const RawHdf5 raw(folder / "a.h5");
    const std::array<hsize_t, 2> chunk{layout == "large chunks" ? rows : 30, layout == "large chunks" ? 3U : 2U};
    if (layout != "contiguous") H5Pset_chunk(raw.creation(), 2, chunk.data());
    if (layout == "deflated") H5Pset_deflate(raw.creation(), 1);
    raw.dataset("x", H5T_IEEE_F64LE, {rows, 7}, values);
  }
  const File file = File::open(folder / "a.h5");
  for (const Part part : {Part{0, rows, 0, 7}, Part{3, 100, 2, 3}, Part{rows - 1, 1, 6, 1}, Part{29, 62, 1, 5},
                          Part{5, 0, 0, 7}, Part{5, 9, 4, 0}}) {
    std::vector<double> out(part.rows * part.cols);
    file.read_elements("x", part, NumberType::kFloat64, reinterpret_cast<std::byte*>(out.data()));
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < out.size(); ++i)
      wrong += out[i] != values[(part.first + i / part.cols) * 7 + part.col + i % part.cols] ? 1 : 0;
    CHECK(wrong == 0);
  }
  const auto refusal = [&](const Part& part) {
    std::byte unused{};
    return message_of<DataError>([&] { file.read_elements("x", part, NumberType::kFloat64, &unused); });
  };
  CHECK_THAT(refusal({0, 1, 5, 3}), has_text("/x has 7 columns, not 8"));
  CHECK_THAT(refusal({0, 1, std::uint64_t(-1), 2}), has_text("/x has 7 columns"));
  CHECK_THAT(refusal({0, 1, 0, 3, true}), has_text("/x has 7 columns where 3 are wanted"));
  CHECK_THAT(refusal({rows, 1, 0, 7}), has_text("rows, not"));
}

TEST_CASE("Rows of a chunk that ends within a read come once and in order", "[hdf5]") {
  const TemporaryFolder folder;
  const std::vector<double> values = [] {
    std::vector<double> all(100 * 4);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<double>(i);
    return all;
  }();
  {
    const RawHdf5 raw(folder / "a.h5");
    const std::array<hsize_t, 2> chunk{16, 3};
    H5Pset_chunk(raw.creation(), 2, chunk.data());
    H5Pset_deflate(raw.creation(), 1);
    raw.dataset("x", H5T_IEEE_F64LE, {100, 4}, values);
  }
  const File file = File::open(folder / "a.h5");
  for (const std::size_t step : {1, 5, 16, 17, 100}) {
    std::vector<double> out(values.size());
    for (std::size_t first = 0; first < 100; first += step) {
      const std::size_t rows = std::min(step, 100 - first);
      file.read_rows<double>("x", first, {out.data() + first * 4, rows, 4});
    }
    CHECK(out == values);
    std::vector<double> again(16 * 4);  // behind its end a chunk was forgotten
    file.read_rows<double>("x", 0, {again.data(), 16, 4});
    CHECK(std::equal(again.begin(), again.end(), values.begin()));
  }
}

TEST_CASE("A chunk that was deflated apart is as the library writes it", "[hdf5]") {
  const TemporaryFolder folder;
  const NumberType type = GENERATE(NumberType::kUint8, NumberType::kInt16, NumberType::kFloat32, NumberType::kUint64);
  const std::vector<std::byte> elements = random_bytes(16 * kCols * bytes_of(type), false);
  {
    File file = File::create(folder / "a.h5");
    for (const char* name : {"x", "y"}) file.create_rows(name, type, {.cols = kCols, .chunk_rows = 8, .deflate = 4});
    file.append_elements("x", 13, elements.data());
    const std::size_t half = elements.size() / 2;
    file.append_chunk("y", 8, deflated_chunk({elements.data(), half}, bytes_of(type), 4));
    file.append_chunk("y", 5, deflated_chunk({elements.data() + half, half}, bytes_of(type), 4));
    file.close();
  }
  const File file = File::open(folder / "a.h5");
  std::vector<std::byte> x(13 * kCols * bytes_of(type)), y(x.size());
  file.read_elements("x", {0, 13, 0, kCols, true}, type, x.data());
  file.read_elements("y", {0, 13, 0, kCols, true}, type, y.data());
  CHECK(x == y);
  CHECK(std::equal(x.begin(), x.end(), elements.begin()));
}

TEST_CASE("Number types without a name are told, and converted", "[hdf5]") {
  const TemporaryFolder folder;
  {
    const RawHdf5 raw(folder / "a.h5");
    const hid_t three = H5Tcopy(H5T_STD_I32LE);
    H5Tset_precision(three, 24);
    H5Tset_size(three, 3);
    const std::vector<double> values(kRows * kCols, -70000);
    raw.dataset("three", three, {kRows, kCols}, values);
    raw.dataset("long", H5T_NATIVE_LDOUBLE, {kRows, kCols}, values);
    H5Tclose(three);
  }
  const File file = File::open(folder / "a.h5");
  CHECK_FALSE(file.info("three").number);
  CHECK_FALSE(file.info("long").number);
  std::vector<std::byte> bytes = read_raw(file, "three", NumberType::kInt32);
  std::int32_t value = 0;
  std::memcpy(&value, bytes.data() + 4 * 7, sizeof value);
  CHECK(value == -70000);
  bytes = read_raw(file, "long", NumberType::kFloat64);
  double real = 0;
  std::memcpy(&real, bytes.data() + 8 * 7, sizeof real);
  CHECK(real == -70000);
}

}  // namespace gradloom::h5
