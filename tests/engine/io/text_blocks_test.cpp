#include "engine/io/text_blocks.hpp"

#include <fstream>
#include <string>
#include <vector>

#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"
#include "support/throws.hpp"

namespace gradloom {
namespace {

using testing::has_text;
using testing::message_of;

struct Piece {
  std::uint64_t line;
  std::string text;
  bool operator==(const Piece&) const = default;
};

class TextFile {
 public:
  explicit TextFile(const std::string& text) { std::ofstream(path(), std::ios::binary) << text; }
  [[nodiscard]] std::string path() const { return folder_ / "t.txt"; }
  [[nodiscard]] std::vector<Piece> blocks(std::size_t bytes, char separator) const {
    TextBlockReader reader(path(), "", bytes);
    reader.set_quoting(separator);
    std::vector<Piece> pieces;
    for (TextBlock block; reader.next(block);) {
      CHECK(block.bytes.size() >= block.size + TextBlock::kPadding);
      pieces.push_back({block.line, {block.begin(), block.size}});
    }
    return pieces;
  }

 private:
  testing::TemporaryFolder folder_;
};

}  // namespace

TEST_CASE("text is cut behind line ends, and lines are counted") {
  const TextFile file("one\ntwo\nthree\n\nfour");
  CHECK(file.blocks(8, '\0') == std::vector<Piece>{{1, "one\ntwo\n"}, {3, "three\n\n"}, {5, "four\n"}});
  CHECK(file.blocks(3, '\0') ==
        std::vector<Piece>{{1, "one\n"}, {2, "two\n"}, {3, "three\n"}, {4, "\n"}, {5, "four\n"}});
  CHECK(file.blocks(1000, '\0') == std::vector<Piece>{{1, "one\ntwo\nthree\n\nfour\n"}});
  CHECK(TextFile("").blocks(8, ',').empty());
  CHECK(TextFile("\xEF\xBB\xBF").blocks(3, ',').empty());
  CHECK(TextFile("\xEF\xBB\xBF"
                 "a\n")
            .blocks(3, ',') == std::vector<Piece>{{1, "a\n"}});
}

TEST_CASE("quoted cells are not cut, and only cells are quoted") {
  CHECK(TextFile("\"a\nb\",1\n2\n").blocks(4, ',') == std::vector<Piece>{{1, "\"a\nb\",1\n"}, {3, "2\n"}});
  CHECK(TextFile("1,\"a\"\"\n\"\n2\n").blocks(9, ',') == std::vector<Piece>{{1, "1,\"a\"\"\n\"\n"}, {3, "2\n"}});
  CHECK(TextFile("6\" x\n5\" y\n").blocks(5, ',') == std::vector<Piece>{{1, "6\" x\n"}, {2, "5\" y\n"}});
  CHECK(TextFile("1;\"a\nb\"\n").blocks(3, ',') ==
        std::vector<Piece>{{1, "1;\"a\n"}, {2, "b\"\n"}});  // another separator
}

TEST_CASE("lines are counted") {
  CHECK(count_lines("") == 0);
  CHECK(count_lines("a\nb") == 1);
  CHECK(count_lines(std::string(1000, '\n') + "x") == 1000);
  std::string text;
  for (int i = 0; i < 5000; ++i) text += std::string(static_cast<std::size_t>(i % 13), 'x') + "\n";
  CHECK(count_lines(text) == 5000);
}

TEST_CASE("a record without an end is refused, not collected for ever", "[soak]") {
  const TextFile file("");
  std::ofstream out(file.path(), std::ios::binary);
  out << "1,2\n\"";
  const std::string filling(1 << 20, 'x');
  for (int i = 0; i < 300; ++i) out << filling;
  out.close();
  CHECK_THAT(message_of<DataError>([&] { (void)file.blocks(1 << 20, ','); }),
             has_text("t.txt:2: this record is longer than 256 MiB; is a quote not closed?"));
}

}  // namespace gradloom
