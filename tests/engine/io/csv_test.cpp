#include "engine/io/csv.hpp"

#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"
#include "support/throws.hpp"

namespace gradloom {
namespace {

using testing::has_text;
using testing::message_of;
using Table = std::vector<std::vector<std::string>>;

class Csv {
 public:
  std::string file(const std::string& text, const std::string& name = "t.csv") const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  Table read(const std::string& text, const std::string& name = "t.csv") const { return records(file(text, name)); }
  static Table records(const std::string& path) {
    CsvReader reader(path);
    CsvRecord record;
    Table table;
    while (reader.next(record)) table.emplace_back(record.cells.begin(), record.cells.end());
    return table;
  }
  std::vector<std::uint64_t> lines(const std::string& text) const {
    CsvReader reader(file(text));
    CsvRecord record;
    std::vector<std::uint64_t> lines;
    while (reader.next(record)) lines.push_back(record.line);
    return lines;
  }
  std::string refusal(const std::string& text) const {
    return message_of<DataError>([&] { (void)read(text); });
  }
  const testing::TemporaryFolder& folder() const { return folder_; }

 private:
  testing::TemporaryFolder folder_;
};

}  // namespace

TEST_CASE("CSV lines become cells") {
  const Csv csv;
  const Table expected{{"a", "b"}, {"1", ""}, {"", " 2 "}};
  CHECK(csv.read("a,b\n1,\n, 2 \n") == expected);
  CHECK(csv.read("a,b\r\n1,\r\n, 2 \r\n") == expected);
  CHECK(csv.read("a,b\n1,\n, 2 ") == expected);  // no line end at the end
  CHECK(csv.read("\xEF\xBB\xBF"
                 "a,b\n1,\n, 2 \n\n  \n\r\n") == expected);
  CHECK(csv.read("\n\na,b\n\n1,\n, 2 ") == expected);
  CHECK(csv.read("a,b\n1,") == Table{{"a", "b"}, {"1", ""}});
  CHECK(csv.read("").empty());
  CHECK(csv.read("\n\r\n  \n").empty());
}

TEST_CASE("quoted CSV cells hold separators, line ends and quotes") {
  const Csv csv;
  CHECK(csv.read("\"a,b\",\"say \"\"hi\"\"\"\n\"two\nlines\",\"\"\n") ==
        Table{{"a,b", "say \"hi\""}, {"two\nlines", ""}});
  CHECK(csv.read("\"a\" ,\"b\"\r\n") == Table{{"a", "b"}});
  CHECK(csv.read("x\"y,5\" wide\n") == Table{{"x\"y", "5\" wide"}});  // a quote inside is a character
  CHECK(csv.read("a,\"\"\"\"") == Table{{"a", "\""}});
  CHECK(csv.read("\"\"\n1\n") == Table{{""}, {"1"}});
  CHECK(csv.lines("a,b\n\"x\ny\nz\",1\n\n2,3\n") == std::vector<std::uint64_t>{1, 2, 6});
}

TEST_CASE("the separator is found in the name or in the first line") {
  const Csv csv;
  CHECK(csv.read("a;b;c\n1;2,5;3\n") == Table{{"a", "b", "c"}, {"1", "2,5", "3"}});
  CHECK(csv.read("a\tb\n1\t2\n") == Table{{"a", "b"}, {"1", "2"}});
  CHECK(csv.read("\"a;b;c\",d\n") == Table{{"a;b;c", "d"}});
  CHECK(csv.read("a,b\tc\n", "t.tsv") == Table{{"a,b", "c"}});
  CHECK(csv.read("\t\n1\t\n", "u.tsv") == Table{{"", ""}, {"1", ""}});  // a line of tabs is not blank
  CHECK(csv.read("word\n1\n") == Table{{"word"}, {"1"}});
}

TEST_CASE("CSV longer than the buffer is read whole") {
  const Csv csv;
  std::ostringstream text;
  for (int row = 0; row < 60'000; ++row)
    text << row << ",\"q\"\"" << row << "\",\"line\nbreak\"," << std::string(static_cast<std::size_t>(row % 50), 'x')
         << "\r\n";
  const Table table = csv.read(text.str());  // about 3 MiB, records over every border
  REQUIRE(table.size() == 60'000);
  bool same = true;
  for (std::size_t row = 0; row < table.size(); ++row)
    same = same && table[row] == std::vector<std::string>{std::to_string(row), "q\"" + std::to_string(row),
                                                          "line\nbreak", std::string(row % 50, 'x')};
  CHECK(same);
  const std::string wide(3 << 20, 'w');  // one cell larger than the first buffer
  CHECK(csv.read("a," + wide + "\n\"" + wide + "\",b") == Table{{"a", wide}, {wide, "b"}});
}

TEST_CASE("gzipped CSV is inflated, and cut gzip is refused") {
  const Csv csv;
  const std::string path = csv.folder() / "t.csv.gz";
  std::string text;
  for (int row = 0; row < 5000; ++row) text += std::to_string(row * 7919 % 10007) + ",b\n";
  gzFile file = gzopen(path.c_str(), "wb");
  REQUIRE(gzwrite(file, text.data(), static_cast<unsigned>(text.size())) > 0);
  gzclose(file);
  CHECK(Csv::records(path) == csv.read(text));
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  CHECK_THAT(message_of<DataError>([&] { (void)Csv::records(path); }), has_text("damaged or cut short"));
}

TEST_CASE("zero bytes are refused wherever they stand") {
  // Only the first block was searched: behind it they became part of a cell, and of names cut short there.
  const Csv csv;
  const std::string path = csv.file(std::string("a,b\n1,2\n3,\0\n", 12));
  for (const std::size_t block : {3, 5, 8, 64}) {
    CHECK_THAT(message_of<DataError>([&] {
                 CsvReader reader(path, "", block);
                 for (CsvRecord record; reader.next(record);) continue;
               }),
               has_text("t.csv:3: is not a text file in UTF-8 (it holds zero bytes)"));
  }
}

TEST_CASE("what is not CSV is refused with its line") {
  const Csv csv;
  CHECK_THAT(csv.refusal("a,b\n1,\"open\n2,3\n"), has_text("t.csv:2: a double quote is opened and never closed"));
  CHECK_THAT(csv.refusal("a,b\n\"x\ny\"z,1\n"), has_text("t.csv:3: cell 1 goes on behind its closing quote"));
  CHECK_THAT(csv.refusal(std::string("a\0b", 3)), has_text("t.csv:1: is not a text file"));
  CHECK_THAT(message_of<ConfigError>([&] { CsvReader reader(csv.folder() / "absent.csv"); }),
             has_text("absent.csv: there is no such file"));
  CHECK_THAT(message_of<ConfigError>([&] { CsvReader reader(csv.folder().path()); }), has_text("is a folder"));
}

}  // namespace gradloom
