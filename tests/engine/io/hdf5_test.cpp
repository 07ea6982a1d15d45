#include "engine/io/hdf5.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/raw_hdf5.hpp"
#include "support/temporary_folder.hpp"
#include "support/throws.hpp"

namespace gradloom::h5 {
namespace {

using testing::counted;
using testing::has_text;
using testing::message_of;
using testing::RawHdf5;
using testing::TemporaryFolder;

// IEEE binary16, as NumPy's float16 is stored.
hid_t half_type() {
  const hid_t type = H5Tcopy(H5T_IEEE_F32LE);
  H5Tset_fields(type, 15, 10, 5, 0, 10);
  H5Tset_size(type, 2);
  H5Tset_ebias(type, 15);
  return type;
}

// As h5py stores bool.
hid_t boolean_type() {
  const hid_t type = H5Tenum_create(H5T_STD_I8LE);
  const std::int8_t no = 0, yes = 1;
  H5Tenum_insert(type, "FALSE", &no);
  H5Tenum_insert(type, "TRUE", &yes);
  return type;
}

template <class T>
std::vector<T> read_all(const File& file, const std::string& path) {
  const std::vector<std::uint64_t> shape = file.info(path).shape;
  const std::size_t cols = shape.size() == 1 ? 1 : shape[1];
  std::vector<T> values(shape[0] * cols);
  file.read_rows<T>(path, 0, {values.data(), shape[0], cols});
  return values;
}

void write_text(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

struct Kind {
  hid_t type;
  std::string name;
};

TEST_CASE("Numbers of every type are read as float, double and int64", "[hdf5]") {
  const TemporaryFolder folder;
  const std::vector<Kind> kinds{{H5T_STD_U8LE, "uint8"},
                                {H5T_STD_I16LE, "int16"},
                                {H5T_STD_I32BE, "int32 big-endian"},
                                {H5T_STD_U64LE, "uint64"},
                                {H5T_STD_I64LE, "int64"},
                                {H5T_IEEE_F32LE, "float32"},
                                {H5T_IEEE_F64BE, "float64 big-endian"},
                                {half_type(), "float16"},
                                {H5T_NATIVE_LDOUBLE, "float128"}};
  const std::vector<double> values = counted(12);
  {
    const RawHdf5 raw(folder / "a.h5");
    for (const Kind& kind : kinds) raw.dataset(kind.name, kind.type, {4, 3}, values);
  }
  const File file = File::open(folder / "a.h5");
  for (const Kind& kind : kinds) {
    CAPTURE(kind.name);
    const DatasetInfo info = file.info(kind.name);
    CHECK(info.type_name() == kind.name);
    CHECK(info.numeric());
    CHECK(info.shape == std::vector<std::uint64_t>{4, 3});
    CHECK(read_all<double>(file, kind.name) == values);
    CHECK(read_all<float>(file, kind.name) == std::vector<float>(values.begin(), values.end()));
    CHECK(read_all<std::int64_t>(file, kind.name) == std::vector<std::int64_t>(values.begin(), values.end()));
  }
}

TEST_CASE("Half precision keeps fractions, infinities and subnormal numbers", "[hdf5]") {
  const TemporaryFolder folder;
  const std::vector<std::uint16_t> bits{0x3555, 0xC000, 0x7C00, 0x0001};  // 0.333..., -2, Inf, 2^-24
  const hid_t type = half_type();
  RawHdf5(folder / "a.h5").dataset("x", type, {4}, type, bits.data());
  CHECK(read_all<float>(File::open(folder / "a.h5"), "x") ==
        std::vector<float>{0.333251953125F, -2.0F, std::numeric_limits<float>::infinity(), 0x1p-24F});
}

TEST_CASE("h5py's bool is read as 0 and 1; other enumerations are not numbers", "[hdf5]") {
  const TemporaryFolder folder;
  const std::vector<std::int8_t> values{1, 0, 1};
  {
    const RawHdf5 raw(folder / "a.h5");
    raw.dataset("x", boolean_type(), {3}, boolean_type(), values.data());
    const hid_t colour = H5Tenum_create(H5T_STD_I8LE);
    for (std::int8_t i = 0; i < 3; ++i) H5Tenum_insert(colour, std::array{"r", "g", "b"}[i], &i);
    raw.dataset("colour", colour, {3}, colour, values.data());
  }
  const File file = File::open(folder / "a.h5");
  CHECK(file.info("x").type_name() == "bool");
  CHECK(read_all<float>(file, "x") == std::vector<float>{1, 0, 1});
  CHECK(read_all<std::int64_t>(file, "x") == std::vector<std::int64_t>{1, 0, 1});
  CHECK_THAT(message_of<DataError>([&] { read_all<float>(file, "colour"); }), has_text("/colour holds"));
}

TEST_CASE("float64 that does not fit becomes infinite in float32", "[hdf5]") {
  const TemporaryFolder folder;
  RawHdf5(folder / "a.h5").dataset("x", H5T_IEEE_F64LE, {2}, {1e300, -1e300});
  constexpr float kInf = std::numeric_limits<float>::infinity();
  CHECK(read_all<float>(File::open(folder / "a.h5"), "x") == std::vector<float>{kInf, -kInf});
}

TEST_CASE("Any range of rows of any layout is read", "[hdf5]") {
  const TemporaryFolder folder;
  const std::string layout = GENERATE("contiguous", "compact", "chunked", "filtered", "wide chunks");
  CAPTURE(layout);
  const std::vector<double> values = counted(50 * 7);
  {
    const RawHdf5 raw(folder / "a.h5");
    const std::array<hsize_t, 2> chunk{8, layout == "wide chunks" ? hsize_t{7} : hsize_t{3}};
    if (layout == "compact") H5Pset_layout(raw.creation(), H5D_COMPACT);
    if (layout != "compact" && layout != "contiguous") H5Pset_chunk(raw.creation(), 2, chunk.data());
    if (layout == "filtered") {
      H5Pset_shuffle(raw.creation());
      H5Pset_deflate(raw.creation(), 6);
      H5Pset_fletcher32(raw.creation());
    }
    raw.dataset("x", H5T_IEEE_F64LE, {50, 7}, values);
  }
  const File file = File::open(folder / "a.h5");
  const std::size_t filters = layout == "filtered" ? 3 : 0;
  CHECK(file.info("/x").filters.size() == filters);
  for (const auto& [first, rows] : {std::pair{0, 50}, {0, 1}, {49, 1}, {7, 2}, {5, 30}, {16, 8}, {50, 0}}) {
    std::vector<double> out(static_cast<std::size_t>(rows) * 7);
    file.read_rows<double>("x", static_cast<std::uint64_t>(first), {out.data(), out.size() / 7, 7});
    CHECK(std::equal(out.begin(), out.end(), values.begin() + first * 7));
  }
  for (const auto& [column, cols] : {std::pair{0U, 7U}, {0U, 1U}, {6U, 1U}, {2U, 3U}, {3U, 3U}}) {
    Matrix<float> out(30, cols);
    file.read_columns<float>("x", 5, column, out.view());
    for (std::size_t r = 0; r < 30; ++r)
      for (std::size_t c = 0; c < cols; ++c) CHECK(out(r, c) == values[(5 + r) * 7 + column + c]);
  }
}

TEST_CASE("Integers of 64 bits come as they are", "[hdf5]") {
  const TemporaryFolder folder;
  const std::vector<std::uint64_t> values = {std::numeric_limits<std::uint64_t>::max(), (1ULL << 60) + 1, 0};
  File file = File::create(folder / "a.h5");
  file.write<std::uint64_t>("x", std::array<std::uint64_t, 1>{3}, values.data());
  file.close();
  CHECK(read_all<std::uint64_t>(File::open(folder / "a.h5"), "x") == values);
}

TEST_CASE("Chunked sets larger than a read block come out whole", "[hdf5]") {
  const TemporaryFolder folder;
  const std::vector<double> values = counted(600000 * 2);  // 9.6 MB: two blocks of whole chunks
  {
    const RawHdf5 raw(folder / "a.h5");
    const std::array<hsize_t, 2> chunk{70000, 2};  // chunks over the default cache of 1 MiB
    H5Pset_chunk(raw.creation(), 2, chunk.data());
    H5Pset_deflate(raw.creation(), 1);
    raw.dataset("x", H5T_IEEE_F64LE, {600000, 2}, values);
  }
  CHECK(read_all<double>(File::open(folder / "a.h5"), "x") == values);
}

TEST_CASE("Rows are refused where shape or range differ", "[hdf5]") {
  const TemporaryFolder folder;
  {
    const RawHdf5 raw(folder / "a.h5");
    raw.dataset("x", H5T_IEEE_F32LE, {4, 3}, counted(12));
    raw.dataset("cube", H5T_IEEE_F32LE, {2, 2, 2}, counted(8));
    raw.dataset("none", H5T_IEEE_F32LE, {0, 3}, counted(0));
  }
  const File file = File::open(folder / "a.h5");
  std::vector<float> out(100);
  const auto read = [&](const std::string& path, std::uint64_t first, std::size_t rows, std::size_t cols) {
    return message_of<DataError>([&] { file.read_rows<float>(path, first, {out.data(), rows, cols}); });
  };
  CHECK_THAT(read("x", 0, 4, 2), has_text("a.h5: /x has 3 columns where 2 are wanted"));
  CHECK_THAT(message_of<DataError>([&] {
               file.read_columns<float>("x", 0, 1, {out.data(), 4, 3});
             }),
             has_text("/x has 3 columns, not 4"));
  CHECK_THAT(read("x", 2, 3, 3), has_text("/x has 4 rows, not 5"));
  CHECK_THAT(read("x", std::uint64_t(-1), 1, 3), has_text("/x has 4 rows"));
  CHECK_THAT(read("cube", 0, 2, 4), has_text("has 3 dimensions"));
  CHECK_THAT(read("y", 0, 2, 4), has_text("there is no /y"));
  CHECK_THAT(read("/", 0, 2, 4), has_text("is not a data set"));
  CHECK(file.info("none").shape[0] == 0);
  file.read_rows<float>("none", 0, {out.data(), 0, 3});
}

TEST_CASE("What may not be trusted is refused before it is read", "[hdf5]") {
  const TemporaryFolder folder;
  const std::string path = folder / "a.h5";
  std::string expected;
  {
    const RawHdf5 raw(path);
    const hsize_t chunk = 10;
    SECTION("strings of variable length") {
      const hid_t type = H5Tcopy(H5T_C_S1);
      H5Tset_size(type, H5T_VARIABLE);
      const char* text = "a";
      raw.dataset("x", type, {1}, type, &text);
      expected = "variable length";
    }
    SECTION("compound") {
      const hid_t type = H5Tcreate(H5T_COMPOUND, 4);
      H5Tinsert(type, "a", 0, H5T_STD_I32LE);
      raw.dataset("x", type, {2});
      expected = "compound";
    }
    SECTION("soft link") {
      raw.dataset("y", H5T_IEEE_F32LE, {1}, counted(1));
      H5Lcreate_soft("/y", raw.id(), "x", H5P_DEFAULT, H5P_DEFAULT);
      expected = "is a soft link";
    }
    SECTION("external link") {
      H5Lcreate_external("b.h5", "/x", raw.id(), "x", H5P_DEFAULT, H5P_DEFAULT);
      expected = "link to another file";
    }
    SECTION("external storage") {
      H5Pset_external(raw.creation(), (folder / "x.bin").c_str(), 0, 8);
      raw.dataset("x", H5T_IEEE_F64LE, {1}, counted(1));
      expected = "keeps its elements in another file";
    }
    SECTION("virtual data set") {
      const hid_t space = H5Screate_simple(1, &chunk, nullptr);
      H5Pset_virtual(raw.creation(), space, "b.h5", "/x", space);
      raw.dataset("x", H5T_IEEE_F64LE, {10});
      expected = "virtual data set";
    }
    SECTION("foreign filter") {
      const std::array<hsize_t, 1> shape{10};
      H5Pset_chunk(raw.creation(), 1, shape.data());
      H5Pset_nbit(raw.creation());
      raw.dataset("x", H5T_STD_I32LE, {10}, counted(10));
      expected = "needs HDF5 filter 5";
    }
    SECTION("contiguous, never written") {
      raw.dataset("x", H5T_IEEE_F64LE, {1000000000000, 100});
      expected = "not fully written";
    }
    SECTION("chunked, one chunk of many written") {
      H5Pset_chunk(raw.creation(), 1, &chunk);
      H5Pset_deflate(raw.creation(), 1);
      raw.dataset("x", H5T_IEEE_F64LE, {40});
      const hid_t set = H5Dopen2(raw.id(), "x", H5P_DEFAULT);
      const hid_t space = H5Dget_space(set);
      const hsize_t first = 0;
      H5Sselect_hyperslab(space, H5S_SELECT_SET, &first, nullptr, &chunk, nullptr);
      const hid_t memory = H5Screate_simple(1, &chunk, nullptr);
      H5Dwrite(set, H5T_NATIVE_DOUBLE, memory, space, H5P_DEFAULT, counted(10).data());
      H5Dclose(set);
      expected = "1 of its 4 chunks are there";
    }
  }
  const File file = File::open(path);
  const std::string message = message_of<DataError>([&] { (void)file.info("x"); });
  CHECK_THAT(message, has_text("a.h5: /x "));
  CHECK_THAT(message, has_text(expected));
}

TEST_CASE("A chunk whose bytes changed is told by its checksum", "[hdf5]") {
  const TemporaryFolder folder;
  {
    const RawHdf5 raw(folder / "a.h5");
    const hsize_t chunk = 64;
    H5Pset_chunk(raw.creation(), 1, &chunk);
    H5Pset_fletcher32(raw.creation());
    raw.dataset("x", H5T_IEEE_F64LE, {64}, std::vector<double>(64, 1234.5));
  }
  std::ifstream in(folder / "a.h5");
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const double value = 1234.5;
  const auto at = bytes.find(std::string(reinterpret_cast<const char*>(&value), sizeof value));
  REQUIRE(at != std::string::npos);
  bytes[at + 80] ^= 1;
  write_text(folder / "a.h5", bytes);
  const File file = File::open(folder / "a.h5");
  CHECK_THAT(message_of<DataError>([&] { read_all<float>(file, "x"); }), has_text("/x rows 0 to 63 cannot be read"));
}

TEST_CASE("Files that are absent, foreign, empty or cut short", "[hdf5]") {
  const TemporaryFolder folder;
  const std::string path = folder / "a.h5";
  const auto open = [&] { File::open(path); };
  CHECK_THAT(message_of<ConfigError>(open), has_text("a.h5: no such file"));
  write_text(path, "");
  CHECK_THAT(message_of<DataError>(open), has_text("a.h5: is empty"));
  write_text(path, "a,b\n1,2\n");
  CHECK_THAT(message_of<DataError>(open), has_text("is not an HDF5 file"));
  RawHdf5(path).dataset("x", H5T_IEEE_F64LE, {1000}, counted(1000));
  std::filesystem::resize_file(path, 5000);
  CHECK_THAT(message_of<DataError>(open), has_text("is cut short"));
  std::filesystem::resize_file(path, 20);
  CHECK_THAT(message_of<DataError>(open), has_text("a.h5: is damaged"));
  CHECK_THAT(message_of<FileError>([&] { File::open(folder.path()); }), has_text("is a folder"));
  CHECK_THAT(message_of<FileError>([&] { File::open("/dev/null"); }), has_text("is not a regular file"));
}

TEST_CASE("A file that another process writes is not read", "[hdf5]") {
  const TemporaryFolder folder;
  RawHdf5(folder / "a.h5").dataset("x", H5T_IEEE_F64LE, {4}, counted(4));
  const int lock = ::open((folder / "a.h5").c_str(), O_RDWR);  // what the library does in the other process
  REQUIRE(::flock(lock, LOCK_EX | LOCK_NB) == 0);
  CHECK_THAT(message_of<FileError>([&] { File::open(folder / "a.h5"); }), has_text("written by another process"));
  ::close(lock);
  CHECK(read_all<double>(File::open(folder / "a.h5"), "x") == counted(4));
}

}  // namespace
}  // namespace gradloom::h5
