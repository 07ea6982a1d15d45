#include "engine/io/npy.hpp"

#include <zlib.h>

#include <cmath>
#include <limits>

#include "gradloom/errors.hpp"
#include "support/binary_files.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"
#include "support/throws.hpp"

namespace gradloom {
namespace {

using testing::bytes;
using testing::has_text;
using testing::message_of;
using testing::write;
using Values = std::vector<double>;
using Shape = std::vector<std::uint64_t>;

// A header as numpy.save writes it, without its padding; the length has two bytes in version 1, four after it.
std::string header(const std::string& dictionary, char major = 1) {
  std::string text = std::string("\x93NUMPY") + major + '\0';
  for (int i = 0; i < (major == 1 ? 2 : 4); ++i)
    text.push_back(static_cast<char>(static_cast<std::uint64_t>(dictionary.size()) >> (8 * i)));
  return text + dictionary;
}

std::string dictionary(const std::string& type, const std::string& shape, const std::string& fortran_order = "False") {
  return "{'descr': '" + type + "', 'fortran_order': " + fortran_order + ", 'shape': " + shape + ", }\n";
}

template <class T = double>
std::vector<T> read_npy(const std::string& path) {
  NpyReader reader(path);
  std::vector<T> values(static_cast<std::size_t>(reader.rows()) * reader.row_elements());
  reader.read<T>(0, values);
  reader.require_end();
  return values;
}

}  // namespace

TEST_CASE("NPY elements of every type are read in both byte orders") {
  const testing::TemporaryFolder folder;
  const auto values = [&](const std::string& type, const std::string& shape, const std::string& content) {
    return read_npy(write(folder / "f.npy", header(dictionary(type, shape)) + content));
  };
  CHECK(values("|b1", "(3,)", bytes({0, 1, 2})) == Values{0, 1, 1});
  CHECK(values("|u1", "(2,)", bytes({0, 255})) == Values{0, 255});
  CHECK(values("|i1", "(2,)", bytes({127, 128})) == Values{127, -128});
  CHECK(values("<i2", "(1,)", bytes({1, 255})) == Values{-255});
  CHECK(values(">i2", "(1,)", bytes({1, 255})) == Values{511});
  CHECK(values(">u2", "(1,)", bytes({255, 0})) == Values{65280});
  CHECK(values("<i4", "(1,)", bytes({0, 0, 0, 128})) == Values{-2147483648.0});
  CHECK(values(">u4", "(1,)", bytes({128, 0, 0, 0})) == Values{2147483648.0});
  CHECK(values(">i8", "(1,)", bytes({255, 255, 255, 255, 255, 255, 255, 254})) == Values{-2});
  CHECK(values("<f4", "(1,)", bytes({0, 0, 0x20, 0xC0})) == Values{-2.5});
  CHECK(values(">f8", "(1,)", bytes({0x3F, 0xF8, 0, 0, 0, 0, 0, 0})) == Values{1.5});
  CHECK(values("f8", "(1,)", bytes({0, 0, 0, 0, 0, 0, 0xF8, 0x3F})) == Values{1.5});  // native
}

TEST_CASE("NPY integers of 64 bits are read without rounding") {
  const testing::TemporaryFolder folder;
  const std::string largest = bytes({255, 255, 255, 255, 255, 255, 255, 255});
  CHECK(read_npy<std::uint64_t>(write(folder / "u.npy", header(dictionary("<u8", "(1,)")) + largest)) ==
        std::vector<std::uint64_t>{std::numeric_limits<std::uint64_t>::max()});
  CHECK(read_npy<std::int64_t>(write(folder / "i.npy", header(dictionary("<i8", "(1,)")) + largest)) ==
        std::vector<std::int64_t>{-1});
  CHECK_THROWS_AS(read_npy<float>(folder / "i.npy"), std::logic_error);
  CHECK_THROWS_AS(read_npy<std::int64_t>(folder / "u.npy"), std::logic_error);
}

TEST_CASE("halves are read as IEEE 754 has them") {
  const testing::TemporaryFolder folder;
  const std::string content =
      bytes({0x3C, 0, 0xC0, 0, 0x7B, 0xFF, 0, 1, 0x03, 0xFF, 0x04, 0, 0x80, 0, 0x7C, 0, 0xFC, 0, 0x7E, 0});
  const Values values = read_npy(write(folder / "f.npy", header(dictionary(">f2", "(10,)")) + content));
  const Values expected = {1, -2, 65504, std::ldexp(1, -24), std::ldexp(1023, -24), std::ldexp(1, -14), 0};
  CHECK(Values(values.begin(), values.begin() + 7) == expected);
  CHECK(std::signbit(values[6]));
  CHECK(values[7] == std::numeric_limits<double>::infinity());
  CHECK(values[8] == -std::numeric_limits<double>::infinity());
  CHECK(std::isnan(values[9]));
}

TEST_CASE("arrays in Fortran's order are read by rows, gzipped ones all rows at once") {
  const testing::TemporaryFolder folder;
  // numpy.asfortranarray(numpy.arange(12).reshape(3, 2, 2)): rows are 0..3, 4..7, 8..11.
  const std::string content =
      header(dictionary("|u1", "(3, 2, 2)", "True"), 2) + bytes({0, 4, 8, 2, 6, 10, 1, 5, 9, 3, 7, 11});
  const std::string gz = folder / "f.npy.gz";
  gzFile file = gzopen(gz.c_str(), "wb");
  REQUIRE(gzwrite(file, content.data(), static_cast<unsigned>(content.size())) > 0);
  gzclose(file);
  for (const std::string& path : {write(folder / "f.npy", content), gz}) {
    CHECK(looks_like_npy(path));
    NpyReader reader(path);
    CHECK(reader.shape() == Shape{3, 2, 2});
    CHECK(reader.row_elements() == 4);
    Values values(12), row(4);
    reader.read<double>(0, values);
    CHECK(values == Values{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
    reader.require_end();
    if (path == gz) {
      CHECK_THAT(message_of<DataError>([&] { reader.read<double>(1, row); }),
                 has_text("f.npy.gz: is in Fortran order and gzipped, too large to be read at once; gunzip it first"));
      continue;
    }
    reader.read<double>(1, row);
    CHECK(row == Values{4, 5, 6, 7});
    reader.read<double>(0, row);
    CHECK(row == Values{0, 1, 2, 3});
  }
}

TEST_CASE("headers of every version and spelling are read") {
  const testing::TemporaryFolder folder;
  const auto shape = [&](const std::string& content) { return NpyReader(write(folder / "f.npy", content)).shape(); };
  const std::string data(6, '\0');
  for (const char major : {'\1', '\2', '\3'})
    CHECK(shape(header(dictionary("|u1", "(2, 3)"), major) + data) == Shape{2, 3});
  CHECK(shape(header("{\"shape\":(6,),\"descr\":\"|i1\",\"fortran_order\":True}") + data) == Shape{6});
  CHECK(shape(header(dictionary("|u1", "(2L, 3L)")) + data) == Shape{2, 3});
}

TEST_CASE("damaged NPY files are refused before anything large is allocated") {
  const testing::TemporaryFolder folder;
  const auto refusal = [&](const std::string& content) {
    const std::string path = write(folder / "f.npy", content);
    return message_of<DataError>([&] { (void)read_npy(path); });
  };
  const auto of_shape = [&](const std::string& shape) {
    return refusal(header(dictionary("<f8", shape)) + "12345678");
  };
  CHECK_THAT(refusal(""), has_text("is not an NPY file"));
  CHECK_THAT(refusal("1,2,3\n4,5,6\n"), has_text("is not an NPY file"));
  CHECK_THAT(refusal(header("", 4)), has_text("has NPY's format version 4.0"));
  CHECK_THAT(refusal(header(dictionary("<f8", "(1,)")).substr(0, 20)), has_text("is cut short"));
  CHECK_THAT(refusal(bytes({0x93, 'N', 'U', 'M', 'P', 'Y', 2, 0, 255, 255, 255, 255})),
             has_text("has a header of 4294967295 bytes"));
  CHECK_THAT(of_shape("(2,)"), has_text("promises 2 rows of 8 bytes, the file can hold 1"));
  CHECK_THAT(of_shape("(18446744073709551615,)"), has_text("promises 18446744073709551615 rows"));
  CHECK_THAT(of_shape("(4294967296, 4294967296, 4294967296)"), has_text("a row of it would be larger than the file"));
  CHECK_THAT(of_shape("(1, 0)"), has_text("dimension 1 is empty"));
  CHECK_THAT(of_shape("(0, 4294967296)"), has_text("holds no rows"));
  CHECK_THAT(of_shape("()"), has_text("holds a single value"));
  CHECK_THAT(refusal(header(dictionary("|u1", "(1,)")) + "12"), has_text("goes on behind the 1 rows"));
}

TEST_CASE("NPY headers that are no such dictionary are refused") {
  const auto refusal = [](const std::string& text) {
    return message_of<DataError>([&] { (void)parse_npy_header(text, "f.npy"); });
  };
  for (const std::string text :
       {"", "{", "{}", "{'descr': '<f8'}", "{'descr': '<f8', 'fortran_order': 1, 'shape': (1,)}",
        "{'descr': '<f8', 'fortran_order': True, 'shape': (3)}",
        "{'descr': '<f8', 'fortran_order': True, 'shape': (-3,)}",
        "{'descr': '<f8', 'fortran_order': True, 'shape': (18446744073709551616,)}",
        "{'descr': '<f8', 'fortran_order': True, 'shape': (01,)}",
        "{'descr': '<f8', 'fortran_order': True, 'shape': (3,), 'more': 1}",
        "{'descr': '<f8', 'descr': '<f8', 'fortran_order': True, 'shape': (3,)}",
        "{'descr': '<f8', 'fortran_order': True, 'shape': (3,)} 1", "{'descr': '<f8"})
    CHECK_THAT(refusal(text), has_text("f.npy: its header is damaged"));
}

TEST_CASE("NPY elements that are no numbers are refused by their type") {
  const auto refusal = [](const std::string& descr) {
    return message_of<DataError>(
        [&] { (void)parse_npy_header("{'descr': " + descr + ", 'fortran_order': False, 'shape': (1,)}", "f.npy"); });
  };
  for (const std::string descr : {"'|O'", "'<c8'", "'<U3'", "'|S5'", "'<f16'", "'<M8[ns]'", "'|V4'", "''", "'<'"})
    CHECK_THAT(refusal(descr),
               has_text("f.npy: holds elements of type " + descr + "; import takes bool, int8 to int64"));
  CHECK_THAT(refusal("[('a', '<f8'), ('b', '<i4')]"), has_text("f.npy: holds structured elements; import takes"));
}

}  // namespace gradloom
