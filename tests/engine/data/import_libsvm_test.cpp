#include "engine/data/import_libsvm.hpp"

#include "gradloom/errors.hpp"
#include "tests/engine/data/import_fixture.hpp"

namespace gradloom {
namespace {

using testing::has_text;
using testing::Import;
using testing::Shape;
using testing::Strings;
using testing::Values;

}  // namespace

TEST_CASE("sparse lines become dense rows") {
  Import import("+1 1:0.5 3:-2e3 # comment\n\n# nothing\n-1.5 2:7\n0\n", "data.libsvm");
  import.run();
  CHECK(import.x() == Values{0.5, 0, -2000, 0, 7, 0, 0, 0, 0});
  CHECK(import.y() == Values{1, -1.5, 0});
  CHECK(import.names() == Strings{"x1", "x2", "x3"});
  CHECK(import.file().info("/y").shape == Shape{3, 1});
  CHECK(import.file().info("/x").filters.empty());
  import.options.features = 5;
  import.run();
  CHECK(import.file().info("/x").shape == Shape{3, 5});
  import.options.zero_based = true;
  import.run();
  CHECK(import.x() == Values{0, 0.5, 0, -2000, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0});
  CHECK(import.names().front() == "x0");
}

TEST_CASE("an index 0 says that indices begin there") {
  Import import("1 1:5\n2 0:3 1:4\n", "data.txt");  // found out by content
  import.run();
  CHECK(import.x() == Values{0, 5, 3, 4});
}

TEST_CASE("labels become classes") {
  Import import("+1 1:1\n-1 1:2\n1.0 2:3\n", "data.libsvm");
  import.options.classify = true;
  import.run();
  CHECK(import.classes() == Strings{"-1", "1"});
  CHECK(import.y() == Values{1, 0, 1});
  CHECK(import.file().info("/y").type_name() == "int32");
}

TEST_CASE("mostly empty rows are deflated") {
  Import import("1 1:1\n2 100000:2\n", "data.libsvm");
  import.run();
  CHECK(import.file().info("/x").shape == Shape{2, 100'000});
  CHECK(import.file().info("/x").filters == Strings{"shuffle", "deflate"});
  const Values x = import.x();
  CHECK((x[0] == 1 && x[199'999] == 2 && x[99'999] == 0));
}

TEST_CASE("sparse text is told from tables") {
  const auto sparse = [](const std::string& text) {
    TextBlock block;
    block.bytes.assign(text.begin(), text.end());
    block.bytes.resize(text.size() + TextBlock::kPadding);
    block.size = text.size();
    return looks_like_libsvm(block);
  };
  CHECK(sparse("1 1:2 3:4\n"));
  CHECK(sparse("# c\n\n0\n-1 7:1e5 # c\n"));
  CHECK_FALSE(sparse(""));
  CHECK_FALSE(sparse("1\n2\n"));
  CHECK_FALSE(sparse("time,value\n12:30,4\n"));
  CHECK_FALSE(sparse("1,2\n3,4\n"));
  CHECK_FALSE(sparse("1 1:2\na,b\n"));
}

TEST_CASE("what is not sparse text is refused by line") {
  const auto refusal = [](const std::string& text) {
    Import import("1 1:2\n" + text, "data.libsvm");
    return import.refusal<DataError>();
  };
  CHECK_THAT(refusal("cat 1:2\n"), has_text("data.libsvm:2: found 'cat' where a label, a finite number must stand"));
  CHECK_THAT(refusal("\n1:2\n"), has_text("data.libsvm:3: found '1:2' where a label"));
  CHECK_THAT(refusal("1,2 1:2\n"), has_text("found '1,2' where a label"));
  CHECK_THAT(refusal("1 qid:3 1:2\n"), has_text("found 'qid:3' where INDEX:VALUE must stand"));
  CHECK_THAT(refusal("1 2:3 2:4\n"), has_text("found '2:4' where an index larger than 2, for indices ascend"));
  CHECK_THAT(refusal("1 2:\n"), has_text("found '2:' where INDEX:VALUE with a finite number"));
  CHECK_THAT(refusal("1 2:nan\n"), has_text("found '2:nan' where INDEX:VALUE with a finite"));
  CHECK_THAT(refusal("1 2:1e999\n"), has_text("found '2:1e999'"));
  CHECK_THAT(refusal("1 2\n"), has_text("found '2' where INDEX:VALUE"));
  CHECK_THAT(refusal("1 -2:3\n"), has_text("found '-2:3'"));
  CHECK_THAT(refusal("1 99999999999999999999:3\n"), has_text("found '99999999999999999999:3'"));
  CHECK_THAT(refusal("1 18446744073709551615:3\n"), has_text("data.libsvm:2: index 18446744073709551615: has rows of"));
  Import none("1\n2\n", "data.libsvm");
  CHECK_THAT(none.refusal<DataError>(), has_text("names no INDEX:VALUE; say --features N"));
  Import empty("\n# c\n", "data.libsvm");
  CHECK_THAT(empty.refusal<DataError>(), has_text("holds no rows"));
  Import large("1 1:2\n1 7:1\n", "data.libsvm");
  large.options.features = 6;
  CHECK_THAT(large.refusal<DataError>(),
             has_text("data.libsvm:2: index 7: is too large for --features 6, where indices go from 1 to 6"));
}

}  // namespace gradloom
