// Blocks and threads change nothing of what import_csv and import_libsvm write.

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "engine/core/random.hpp"
#include "engine/data/import_csv.hpp"
#include "engine/data/import_libsvm.hpp"
#include "gradloom/errors.hpp"
#include "tests/engine/data/import_fixture.hpp"

namespace gradloom {
namespace {

using testing::has_text;
using testing::Import;
using testing::message_of;
using testing::Strings;
using testing::Values;

using Importer = decltype(&import_csv);

struct Outcome {
  Values x, y;
  Strings names, classes;
  std::uint64_t dropped = 0, filled = 0;
  bool operator==(const Outcome&) const = default;
};

std::vector<ImportSource> sources_of(const Import& import) {
  std::vector<ImportSource> sources;
  for (const std::string& path : import.options.sources) sources.push_back({path, path});
  return sources;
}

Outcome outcome(Import& import, Importer importer, std::size_t block_bytes, std::size_t threads) {
  import.options.threads = threads;
  const ImportReport report = importer(import.options, sources_of(import), block_bytes);
  const std::string name = import.options.split.empty() ? "out.h5" : "out.train.h5";
  const h5::File file = import.file(name);
  const bool has_y = file.exists("/y");
  return {import.x(name),
          has_y ? import.y(name) : Values{},
          file.strings_attribute("/x", "names").value_or(Strings{}),
          has_y ? file.strings_attribute("/y", "classes").value_or(Strings{}) : Strings{},
          report.dropped_rows,
          report.filled_cells};
}

// With whole numbers to take means of, which no order of additions changes.
void check_any_blocks(Import& import, Importer importer = import_csv) {
  const Outcome expected = outcome(import, importer, 1 << 20, 1);
  CHECK(!expected.x.empty());
  for (const auto& [block_bytes, threads] : {std::pair{16, 1}, std::pair{16, 8}, std::pair{100, 2}, std::pair{1000, 3}})
    CHECK(outcome(import, importer, block_bytes, threads) == expected);
}

std::string csv_table(int rows, bool quoted) {
  const CounterRandom random(3, RandomUse::kGenerator);
  std::string text = "a,kind,\"b\nb\",y\n";
  for (int row = 0; row < rows; ++row) {
    const std::uint64_t bits = random.bits(static_cast<std::uint64_t>(row));
    const char* kinds[] = {"red", "\"green, \"\"dark\"\"\"", "blue", "\"two\nlines\""};
    text += fmt::format("{},{},{},{}\n", bits % 100, kinds[quoted ? bits / 128 % 4 : bits / 128 % 2 * 2],
                        bits % 11 == 0 ? "" : fmt::format("{}", bits / 1024 % 50), bits / 65536 % 3);
  }
  return text;
}

}  // namespace

TEST_CASE("tables come out the same from any blocks and threads", "[threads][slow]") {
  for (const bool quoted : {false, true}) {
    Import import(csv_table(400, quoted));
    import.options.targets = {"y"};
    import.options.missing = MissingCells::kMean;
    check_any_blocks(import);
    import.options.missing = MissingCells::kDrop;
    import.options.classify = true;
    check_any_blocks(import);
    import.options.split = {0.6, 0.4};
    import.options.missing = MissingCells::kMean;
    check_any_blocks(import);
  }
}

TEST_CASE("tables of numbers are written in one pass, the same from any blocks and threads", "[threads]") {
  std::string text = "a,y,b\n";
  for (int row = 0; row < 500; ++row) text += fmt::format("{},{},{}\n", row, -row, row * 0.5);
  Import tables(text);
  tables.add("a,y,b\n1e3,2,3\n", "more.csv");
  tables.options.targets = {"y"};
  std::vector<std::string> phases;
  tables.options.on_progress = [&](const WorkProgress& progress) {
    if (phases.empty() || phases.back() != progress.phase) phases.push_back(progress.phase);
  };
  check_any_blocks(tables);
  CHECK(phases == Strings{"reading"});
  // A text in the last row: what was written until then is thrown away.
  tables.add("a,y,b\n1,2,3\n4,5,x\n", "text.csv");
  tables.options.categorical = {};
  std::filesystem::remove(tables.options.output);
  tables.options.threads = 2;
  CHECK_THAT(message_of<DataError>([&] { (void)import_csv(tables.options, sources_of(tables), 64); }),
             has_text("text.csv:3: column b (index 2): found 'x'"));
  CHECK(tables.folder().entries() == 3);
}

TEST_CASE("means of blocks are those of the whole column", "[threads]") {
  std::string text = "a,b\n";
  double sum = 0;
  for (int row = 0; row < 1000; ++row) {
    const double value = std::sin(row) * std::pow(10.0, row % 9);
    sum += row % 10 == 0 ? 0 : value;
    text += row % 10 == 0 ? "1,\n" : fmt::format("1,{}\n", value);
  }
  Import import(text);
  import.options.missing = MissingCells::kMean;
  const Outcome one = outcome(import, import_csv, 100, 1);
  CHECK(outcome(import, import_csv, 100, 8) == one);
  CHECK(one.x[1] == Approx(sum / 900).epsilon(1e-9));
  CHECK(one.filled == 100);
}

TEST_CASE("errors name the first bad line, whatever the blocks and threads", "[threads]") {
  const auto refusal = [](const std::string& bad_line, std::size_t block_bytes, std::size_t threads) {
    std::string text = "a,b\n";
    for (int row = 0; row < 300; ++row) text += row == 250 ? bad_line : "\"1\",2\n\n";
    text += "1,2,3\n1,,\n\"never closed\n";
    Import import(text);
    import.options.threads = threads;
    const std::string message =
        message_of<DataError>([&] { (void)import_csv(import.options, sources_of(import), block_bytes); });
    CHECK(import.folder().entries() == 1);
    return message;
  };
  for (const std::size_t block_bytes : {16, 100, 1 << 20}) {
    for (const std::size_t threads : {1, 2, 8}) {
      CHECK_THAT(refusal("1,2,3,4\n", block_bytes, threads),
                 has_text("data.csv:502: has 4 cells where 2 are expected"));
      CHECK_THAT(refusal("1\n", block_bytes, threads), has_text("data.csv:502: has 1 cells where 2 are expected"));
      CHECK_THAT(refusal("\"\n\",2,3\n", block_bytes, threads),
                 has_text("data.csv:502: has 3 cells where 2 are expec"));
      CHECK_THAT(refusal("1,?\n", block_bytes, threads),
                 has_text("data.csv:502: column b (index 1): found '?', a miss"));
      CHECK_THAT(refusal("1,\"2\"3\n", block_bytes, threads),
                 has_text("data.csv:502: cell 2 goes on behind its closi"));
      CHECK_THAT(refusal("1,2\n\n", block_bytes, threads), has_text("data.csv:602: has 3 cells where 2 are expected"));
    }
  }
}

TEST_CASE("a header is looked for behind any number of blank lines, and in every source") {
  Import import("a,b\n1,2\n");
  import.add(std::string(500, '\n') + "a,b\n3,4\n", "late.csv");
  CHECK(outcome(import, import_csv, 16, 1).x == Values{1, 2, 3, 4});
  import.add("\n\n\n", "blank.csv");
  CHECK_THAT(message_of<DataError>([&] { (void)import_csv(import.options, sources_of(import), 16); }),
             has_text("blank.csv: is empty"));
}

TEST_CASE("names and categories that are not UTF-8 are refused") {
  Import name("caf\xE9,b\n1,2\n");
  CHECK_THAT(name.refusal<DataError>(), has_text("data.csv:1: the name of column 0 (from 0) is not in UTF-8; convert"));
  Import category("kind,b\ncaf\xE9,2\ntea,3\n");
  CHECK_THAT(category.refusal<DataError>(), has_text("data.csv:2: column kind (index 0): found 'caf"));
  Import good("caf\xC3\xA9,b\nth\xC3\xA9,2\n\xE8\x8C\xB6,3\n");
  good.run();
  CHECK(good.names() == Strings{"caf\xC3\xA9=th\xC3\xA9", "caf\xC3\xA9=\xE8\x8C\xB6", "b"});
}

TEST_CASE("sparse text comes out the same from any blocks and threads", "[threads][slow]") {
  const CounterRandom random(4, RandomUse::kGenerator);
  std::string text;
  for (std::uint64_t row = 0; row < 300; ++row) {
    text += fmt::format("{}", static_cast<int>(random.bits(row) % 3) - 1);
    for (std::uint64_t index = 1; index < 40; ++index)
      if (random.bits(row * 64 + index) % 9 == 0) text += fmt::format(" {}:{}", index, random.uniform(row + index));
    text += row % 5 == 0 ? " # comment 7:8\n\n" : "\r\n";
  }
  Import import(text, "data.libsvm");
  check_any_blocks(import, import_libsvm);
  import.options.classify = true;
  import.options.split = {0.5, 0.5};
  check_any_blocks(import, import_libsvm);
}

}  // namespace gradloom
