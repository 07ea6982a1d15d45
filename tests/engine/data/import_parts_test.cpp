#include "engine/data/import_parts.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "gradloom/errors.hpp"
#include "tests/engine/data/import_fixture.hpp"

namespace gradloom {
namespace {

using testing::has_text;
using testing::Import;
using testing::message_of;
using testing::Values;

}  // namespace

TEST_CASE("a split is exact, disjoint, in order, and a function of the seed", "[slow]") {
  std::string text;
  for (int row = 0; row < 1003; ++row) text += std::to_string(row) + "," + std::to_string(2 * row) + "\n";
  Import import(text);
  import.options.targets = {"1"};
  import.options.split = {0.8, 0.1, 0.1};
  import.run();
  CHECK(import.folder().entries() == 4);
  CHECK(import.report.files.size() == 3);
  const Values train = import.x("out.train.h5"), valid = import.x("out.valid.h5"), test = import.x("out.test.h5");
  CHECK(train.size() == 802);  // ends at round(802.4), round(902.7), 1003
  CHECK(valid.size() == 101);
  CHECK(test.size() == 100);
  std::set<double> all;
  for (const Values& part : {train, valid, test}) {
    CHECK(std::is_sorted(part.begin(), part.end()));
    all.insert(part.begin(), part.end());
  }
  CHECK(all.size() == 1003);
  const Values targets = import.y("out.test.h5");
  for (std::size_t i = 0; i < test.size(); ++i) CHECK(targets[i] == 2 * test[i]);
  import.run();
  CHECK(import.x("out.test.h5") == test);
  import.options.seed = 2;
  import.run();
  CHECK(import.x("out.test.h5") != test);

  import.options.split = {0.75, 0, 0.25};
  import.options.output = import.folder() / "b.h5";
  import.run();
  CHECK(import.x("b.train.h5").size() == 752);
  CHECK_FALSE(std::filesystem::exists(import.folder() / "b.valid.h5"));
  import.options.split = {0.5, 0.5};
  import.options.output = import.folder() / "c";
  import.run();
  CHECK(import.x("c.test.h5").size() == 501);
}

TEST_CASE("a plan without memory gives the parts that sorting all keys gives") {
  for (const std::uint64_t rows : {3, 10, 1000, 70'000}) {
    for (const std::vector<double>& split :
         {std::vector{0.8, 0.2}, std::vector{0.34, 0.33, 0.33}, std::vector{0.5, 0.0, 0.5}, std::vector{0.0, 1.0},
          std::vector{1.0, 0.0, 0.0}}) {
      ImportOptions options;
      options.output = "out.h5";
      options.split = split;
      options.seed = rows;
      const PartPlan plan = plan_parts(options, rows);
      const CounterRandom random(options.seed, RandomUse::kImportSplit);
      std::vector<std::pair<std::uint64_t, std::uint64_t>> order;
      for (std::uint64_t row = 0; row < rows; ++row) order.emplace_back(random.bits(row), row);
      std::sort(order.begin(), order.end());
      std::uint64_t place = 0, end = plan.rows[0];
      std::size_t part = 0;
      bool same = true;
      for (; place < rows; ++place) {
        while (place == end) end += plan.rows[++part];
        same = same && plan.part(order[place].second) == part;
      }
      CHECK(same);
      CHECK(end == rows);
    }
  }
}

TEST_CASE("with a split the means come from the training rows alone") {
  std::string text = "a,b\n";
  for (int row = 0; row < 200; ++row)
    text += (row % 3 == 0 ? "" : std::to_string(row)) + "," + std::to_string(row) + "\n";
  Import import(text);
  import.options.missing = MissingCells::kMean;
  import.options.split = {0.5, 0.5};
  import.run();
  const auto is_missing = [](double row) { return std::fmod(row, 3) == 0; };
  const Values train = import.x("out.train.h5"), test = import.x("out.test.h5");
  double sum = 0, count = 0;
  for (std::size_t i = 0; i < train.size(); i += 2)
    if (!is_missing(train[i + 1])) sum += train[i], ++count;
  for (const Values& part : {train, test})
    for (std::size_t i = 0; i < part.size(); i += 2)
      CHECK(part[i] == (is_missing(part[i + 1]) ? sum / count : part[i + 1]));
  CHECK(import.report.filled_cells == 67);
}

TEST_CASE("splits and outputs that cannot be are refused") {
  Import import("1,2\n3,4\n5,6\n");
  const auto refusal = [&](std::vector<double> split) {
    import.options.split = std::move(split);
    return import.refusal<ConfigError>();
  };
  CHECK_THAT(refusal({0.8, 0.1}), has_text("--split 0.8,0.1: must be"));
  CHECK_THAT(refusal({1.0}), has_text("must be"));
  CHECK_THAT(refusal({0.25, 0.25, 0.25, 0.25}), has_text("must be"));
  CHECK_THAT(refusal({1.5, -0.5}), has_text("must be"));
  import.options.split = {0.9, 0.05, 0.05};
  CHECK_THAT(import.refusal<DataError>(), has_text("of 3 rows none are left for valid"));
  import.options.split = {};
  import.options.output = import.options.sources.front();
  CHECK_THAT(import.refusal<ConfigError>(), has_text("would replace the source"));
  import.options.output = import.folder() / "absent/out.h5";
  CHECK_THAT(import.refusal<ConfigError>(), has_text("create it first"));
  import.options.output = import.folder() / "out.h5";
  import.options.sources = {};
  CHECK_THAT(message_of<ConfigError>([&] { import.run(); }), has_text("names no source"));
  import.options.sources = {import.folder() / "nowhere.csv"};
  CHECK_THAT(message_of<ConfigError>([&] { import.run(); }), has_text("nowhere.csv: there is no such file"));
}

}  // namespace gradloom
