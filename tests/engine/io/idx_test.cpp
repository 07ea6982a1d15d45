#include "engine/io/idx.hpp"

#include <zlib.h>

#include <filesystem>

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

std::vector<double> read_idx(const std::string& path) {
  IdxReader reader(path);
  std::vector<double> values(static_cast<std::size_t>(reader.rows()) * reader.row_elements());
  reader.read(values);
  reader.require_end();
  return values;
}

}  // namespace

TEST_CASE("IDX elements of every type are read big-endian") {
  const testing::TemporaryFolder folder;
  const auto values = [&](const std::string& content) { return read_idx(write(folder / "f.idx", content)); };
  using Values = std::vector<double>;
  CHECK(values(bytes({0, 0, 8, 1, 0, 0, 0, 2, 0, 255})) == Values{0, 255});
  CHECK(values(bytes({0, 0, 9, 1, 0, 0, 0, 2, 127, 128})) == Values{127, -128});
  CHECK(values(bytes({0, 0, 11, 1, 0, 0, 0, 2, 1, 2, 255, 254})) == Values{258, -2});
  CHECK(values(bytes({0, 0, 12, 1, 0, 0, 0, 1, 255, 255, 255, 0})) == Values{-256});
  CHECK(values(bytes({0, 0, 13, 1, 0, 0, 0, 1, 0xC0, 0x20, 0, 0})) == Values{-2.5});
  CHECK(values(bytes({0, 0, 14, 1, 0, 0, 0, 1, 0x3F, 0xF8, 0, 0, 0, 0, 0, 0})) == Values{1.5});
}

TEST_CASE("an IDX file of images is read by rows, plain and gzipped") {
  const testing::TemporaryFolder folder;
  const std::string content =
      bytes({0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  const std::string gz = folder / "images-idx3-ubyte.gz";
  gzFile file = gzopen(gz.c_str(), "wb");
  REQUIRE(gzwrite(file, content.data(), static_cast<unsigned>(content.size())) > 0);
  gzclose(file);
  for (const std::string& path : {write(folder / "images-idx3-ubyte", content), gz}) {
    IdxReader reader(path);
    CHECK(reader.type() == IdxType::kUint8);
    CHECK(reader.shape() == std::vector<std::uint64_t>{2, 2, 3});
    CHECK(reader.row_elements() == 6);
    std::vector<double> row(6);
    reader.read(row);
    CHECK(row == std::vector<double>{1, 2, 3, 4, 5, 6});
    reader.read(row);
    CHECK(row == std::vector<double>{7, 8, 9, 10, 11, 12});
    reader.require_end();
    CHECK(looks_like_idx(path));
  }
}

TEST_CASE("damaged IDX files are refused before anything large is allocated") {
  const testing::TemporaryFolder folder;
  const auto refusal = [&](const std::string& content) {
    const std::string path = write(folder / "f.idx", content);
    return message_of<DataError>([&] { (void)read_idx(path); });
  };
  CHECK_THAT(refusal("1,2,3\n4,5,6\n"), has_text("is not an IDX file"));
  CHECK_THAT(refusal(bytes({0, 0, 10, 1, 0, 0, 0, 0})), has_text("is not an IDX file"));  // no such type
  CHECK_THAT(refusal(bytes({0, 0, 8, 0})), has_text("is not an IDX file"));
  CHECK_THAT(refusal(""), has_text("is not an IDX file"));
  CHECK_THAT(refusal(bytes({0, 0, 8, 2, 0, 0, 0, 1, 0, 0})), has_text("is cut short"));
  CHECK_THAT(refusal(bytes({0, 0, 8, 1, 0, 0, 0, 3, 1, 2})),
             has_text("the header promises 3 rows of 1 bytes, the file can hold 2"));
  CHECK_THAT(refusal(bytes({0, 0, 14, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})),
             has_text("a row of it would be larger than the file"));
  CHECK_THAT(refusal(bytes({0, 0, 8, 1, 255, 255, 255, 255, 1})), has_text("promises 4294967295 rows"));
  CHECK_THAT(refusal(bytes({0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 0, 7})), has_text("dimension 1 is empty"));
  CHECK_THAT(refusal(bytes({0, 0, 8, 1, 0, 0, 0, 1, 1, 2})), has_text("goes on behind the 1 rows"));
}

TEST_CASE("a gzipped IDX file that is cut short is refused") {
  const testing::TemporaryFolder folder;
  const std::string path = folder / "f.idx.gz";
  std::string content = bytes({0, 0, 8, 1, 0, 0, 16, 0});
  for (int i = 0; i < 4096; ++i) content.push_back(static_cast<char>(i * i * 31 % 251));
  gzFile file = gzopen(path.c_str(), "wb");
  REQUIRE(gzwrite(file, content.data(), static_cast<unsigned>(content.size())) > 0);
  gzclose(file);
  CHECK(read_idx(path).size() == 4096);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  CHECK_THAT(message_of<DataError>([&] { (void)read_idx(path); }), has_text("cut short"));
}

}  // namespace gradloom
