#include <zlib.h>

#include <array>
#include <fstream>

#include "engine/io/hdf5.hpp"
#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/deflated.hpp"
#include "support/raw_hdf5.hpp"
#include "support/temporary_folder.hpp"
#include "support/throws.hpp"

/// Files that HDF5 1.10 crashes on, reads past its buffers for, or allocates without reason. Each was found by damaging
/// files at random (tests/fuzz/hdf5_mutations.py).
namespace gradloom::h5 {
namespace {

using testing::counted;
using testing::deflated;
using testing::has_text;
using testing::message_of;
using testing::RawHdf5;
using testing::TemporaryFolder;

// Writes `bytes` over what stands `skip` bytes behind the first place where the file holds `mark`.
void patch(const std::string& path, const std::string& mark, std::size_t skip, const std::string& bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  const std::size_t at = content.find(mark);
  REQUIRE(at != std::string::npos);
  file.clear();
  file.seekp(static_cast<std::streamoff>(at + skip));
  file << bytes;
}

void write_chunk(const RawHdf5& raw, const char* name, const std::vector<Bytef>& bytes, std::uint32_t skipped = 0) {
  const hid_t set = H5Dopen2(raw.id(), name, H5P_DEFAULT);
  const std::array<hsize_t, 2> offset{0, 0};
  REQUIRE(H5Dwrite_chunk(set, H5P_DEFAULT, skipped, offset.data(), bytes.size(), bytes.data()) >= 0);
  H5Dclose(set);
}

// A deflated set /x of bytes, one chunk large, whose stored chunk is `bytes`.
void write_deflated(const std::string& path, const std::array<hsize_t, 2>& shape, const std::vector<Bytef>& bytes,
                    std::uint32_t skipped = 0) {
  const RawHdf5 raw(path);
  H5Pset_chunk(raw.creation(), 2, shape.data());
  H5Pset_deflate(raw.creation(), 6);
  raw.dataset("x", H5T_STD_U8LE, {shape[0], shape[1]});
  write_chunk(raw, "x", bytes, skipped);
}

std::string reading(const std::string& path, const std::string& set = "x") {
  return message_of<DataError>([&] {
    const File file = File::open(path);
    const std::vector<std::uint64_t> shape = file.info(set).shape;
    std::vector<float> values(shape[0] * shape[1]);
    file.read_rows<float>(set, 0, {values.data(), shape[0], shape[1]});
  });
}

TEST_CASE("Links whose heap has an address behind the end of the file", "[hdf5]") {
  const TemporaryFolder folder;
  const std::string path = folder / "a.h5";
  {
    const RawHdf5 raw(path);
    raw.dataset("x", H5T_IEEE_F32LE, {4, 3}, counted(12));
    H5Lcreate_external("b.h5", "/x", raw.id(), "outside", H5P_DEFAULT, H5P_DEFAULT);  // brings link messages
  }
  // A message of type 2 (link info) and 24 bytes without flags, whose heap has no address.
  const std::string message("\x02\x00\x18\x00\x00\x00\x00\x00\x00\x00\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 18);
  patch(path, message, 10, std::string(1, '\0'));
  const auto listing = [&] { (void)File::open(path).children("/"); };
  CHECK_THAT(message_of<DataError>(listing), has_text("a.h5"));
  const File file = File::open(path);
  const std::string first = message_of<DataError>([&] { (void)file.info("x"); });
  CHECK_THAT(first, has_text("a.h5"));
  CHECK(message_of<DataError>([&] { (void)file.info("x"); }) == first);  // not after the crash either
}

TEST_CASE("Chunks that are said to be 0 elements wide", "[hdf5]") {
  const TemporaryFolder folder;
  const std::string path = folder / "a.h5";
  {
    const RawHdf5 raw(path);
    const std::array<hsize_t, 2> chunk{13, 7};
    H5Pset_chunk(raw.creation(), 2, chunk.data());
    raw.dataset("x", H5T_IEEE_F32LE, {26, 7}, counted(26 * 7));
  }
  const std::string layout("\x0D\x00\x00\x00\x07\x00\x00\x00\x04\x00\x00\x00", 12);  // 13, 7 and the element's bytes
  patch(path, layout, 0, std::string(1, '\0'));
  CHECK_THAT(reading(path), has_text("a.h5"));
}

TEST_CASE("Chunks that inflate to another size than their shape has", "[hdf5]") {
  const TemporaryFolder folder;
  const std::string path = folder / "a.h5";
  write_deflated(path, {100, 4}, deflated(std::vector<Bytef>(400, 0)));
  CHECK(reading(path) == "(nothing was thrown)");
  write_deflated(path, {100, 4}, deflated(std::vector<Bytef>(399, 0)));
  CHECK_THAT(reading(path), has_text("a.h5: /x rows 0 to 99 cannot be read: a chunk inflates to fewer"));
  write_deflated(path, {100, 4}, deflated(std::vector<Bytef>(4 << 20, 0)));
  CHECK_THAT(reading(path), has_text("a chunk inflates to more than its 400 bytes"));
  write_deflated(path, {100, 4}, std::vector<Bytef>(400, 7), 1);  // stored without the filter
  CHECK(reading(path) == "(nothing was thrown)");
  write_deflated(path, {100, 4}, std::vector<Bytef>(399, 7), 1);
  CHECK_THAT(reading(path), has_text("a chunk has 399 bytes where its shape needs 400"));
}

TEST_CASE("A chunk without filters that is stored in another size", "[hdf5]") {
  const TemporaryFolder folder;
  const std::string path = folder / "a.h5";
  {
    const RawHdf5 raw(path);
    const std::array<hsize_t, 2> chunk{25, 3};
    H5Pset_chunk(raw.creation(), 2, chunk.data());
    raw.dataset("x", H5T_STD_U8LE, {25, 3}, counted(75));
  }
  // The first key of the B-tree: 75 bytes, no filter skipped, at row 0 and column 0.
  patch(path, std::string("\x4B\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20), 0,
        "\x2B");
  CHECK_THAT(reading(path), has_text("/x "));
}

TEST_CASE("A deflated shape is believed when one of its chunks is that large", "[hdf5]") {
  const TemporaryFolder folder;
  const std::string path = folder / "a.h5";
  constexpr hsize_t kWide = 20 << 20;
  write_deflated(path, {1, kWide}, std::vector<Bytef>(30000, 7));
  CHECK_THAT(message_of<DataError>([&] { (void)File::open(path).info("x"); }),
             has_text("a.h5: /x promises more than the file holds"));
  write_deflated(path, {1, kWide}, deflated(std::vector<Bytef>(kWide, 0)));
  CHECK(File::open(path).info("x").shape == std::vector<std::uint64_t>{1, kWide});
}

TEST_CASE("Shapes of no element, and filters twice over, do not promise for nothing", "[hdf5]") {
  const TemporaryFolder folder;
  {
    const RawHdf5 raw(folder / "a.h5");
    raw.dataset("wide", H5T_IEEE_F32LE, {0, hsize_t{1} << 40});
    raw.dataset("long", H5T_IEEE_F32LE, {hsize_t{1} << 40, 0});
    const hsize_t chunk = 10;
    H5Pset_chunk(raw.creation(), 1, &chunk);
    H5Pset_deflate(raw.creation(), 1);
    H5Pset_deflate(raw.creation(), 1);
    raw.dataset("twice", H5T_IEEE_F32LE, {10}, counted(10));
  }
  const File file = File::open(folder / "a.h5");
  const auto refusal = [&](const std::string& set) { return message_of<DataError>([&] { (void)file.info(set); }); };
  CHECK_THAT(refusal("wide"), has_text("/wide holds no element and says it is 1099511627776 wide"));
  CHECK_THAT(refusal("long"), has_text("/long holds no element"));
  CHECK_THAT(refusal("twice"), has_text("/twice is deflated more than once"));
}

TEST_CASE("Groups that hold each other without an end are given up", "[hdf5][slow]") {
  const TemporaryFolder folder;
  {
    const RawHdf5 raw(folder / "a.h5");
    H5Lcreate_hard(raw.id(), "/", raw.id(), "circle", H5P_DEFAULT, H5P_DEFAULT);
  }
  const File file = File::open(folder / "a.h5");
  const auto walk = [&] {
    for (;;) (void)file.children("/circle/circle/circle");  // each takes less than a tick of the clock
  };
  CHECK_THAT(message_of<DataError>(walk),
             has_text("a.h5: cannot be read: the HDF5 library takes more processor time than its size explains"));
}

TEST_CASE("A whole set in chunks of one element is read", "[hdf5][slow]") {
  const TemporaryFolder folder;
  constexpr hsize_t kRows = 100000;
  {
    const RawHdf5 raw(folder / "a.h5");
    const std::array<hsize_t, 2> chunk{1, 1};
    H5Pset_chunk(raw.creation(), 2, chunk.data());
    raw.dataset("x", H5T_IEEE_F32LE, {kRows, 1}, counted(kRows));
  }
  const File file = File::open(folder / "a.h5");
  std::vector<float> values(kRows);
  file.read_rows<float>("x", 0, {values.data(), kRows, 1});
  CHECK(std::equal(values.begin(), values.end(), counted(kRows).begin()));
  std::vector<double> converted(kRows);
  file.read_rows<double>("x", 0, {converted.data(), kRows, 1});
  CHECK(converted == counted(kRows));
}

TEST_CASE("Rows that are longer than a block come out whole", "[hdf5]") {
  const TemporaryFolder folder;
  const std::string layout = GENERATE("plain", "converted", "chunked");
  CAPTURE(layout);
  constexpr hsize_t kCols = 300001;  // of 8 bytes: more than two blocks
  std::vector<double> values(3 * kCols);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i % 2011);
  {
    const RawHdf5 raw(folder / "a.h5");
    const std::array<hsize_t, 2> chunk{2, 4096};
    if (layout == "chunked") H5Pset_chunk(raw.creation(), 2, chunk.data());
    const hid_t type = H5Tcopy(H5T_STD_I32LE);
    if (layout == "converted") H5Tset_precision(type, 24);  // not one of the plain types
    raw.dataset("x", type, {3, kCols}, values);
  }
  const File file = File::open(folder / "a.h5");
  std::vector<double> out(values.size());
  file.read_rows<double>("x", 0, {out.data(), 3, kCols});
  CHECK(out == values);
  std::vector<float> last(kCols);
  file.read_rows<float>("x", 2, {last.data(), 1, kCols});
  CHECK(std::equal(last.begin(), last.end(), values.begin() + 2 * kCols));
}

TEST_CASE("Chunks over the edge of the shape may be stored without filters", "[hdf5]") {
  const TemporaryFolder folder;
  {
    const RawHdf5 raw(folder / "a.h5");
    const std::array<hsize_t, 2> chunk{8, 3};
    H5Pset_chunk(raw.creation(), 2, chunk.data());
    H5Pset_deflate(raw.creation(), 6);
    REQUIRE(H5Pset_chunk_opts(raw.creation(), H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS) >= 0);
    raw.dataset("x", H5T_IEEE_F64LE, {20, 7}, counted(140));
  }
  const File file = File::open(folder / "a.h5");
  std::vector<double> values(140);
  file.read_rows<double>("x", 0, {values.data(), 20, 7});
  CHECK(values == counted(140));
}

TEST_CASE("A file behind a user block is read at its place", "[hdf5]") {
  const TemporaryFolder folder;
  const std::string path = folder / "a.h5";
  const hid_t creation = H5Pcreate(H5P_FILE_CREATE);
  H5Pset_userblock(creation, 1024);
  H5Fclose(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation, H5P_DEFAULT));
  H5Pclose(creation);
  {
    const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    const std::array<hsize_t, 2> dims{4, 3};
    const hid_t space = H5Screate_simple(2, dims.data(), nullptr);
    const hid_t set = H5Dcreate2(file, "x", H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, counted(12).data());
    H5Dclose(set);
    H5Sclose(space);
    H5Fclose(file);
  }
  const File file = File::open(path);
  std::vector<double> values(12);
  file.read_rows<double>("x", 0, {values.data(), 4, 3});
  CHECK(values == counted(12));
}

}  // namespace
}  // namespace gradloom::h5
