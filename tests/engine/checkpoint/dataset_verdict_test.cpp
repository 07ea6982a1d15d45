#include "engine/checkpoint/dataset_verdict.hpp"

#include <algorithm>
#include <cmath>

#include "support/catch.hpp"
#include "support/throws.hpp"

namespace gradloom {
namespace {

using testing::has_text;

// A set in memory with these columns, described as if it stood in a file.
DescribedSet described(const std::string& path, const std::vector<std::vector<double>>& columns) {
  Matrix<double> rows(columns.front().size(), columns.size());
  for (std::size_t c = 0; c < columns.size(); ++c)
    for (std::size_t r = 0; r < rows.rows(); ++r) rows(r, c) = columns[c][r];
  DescribedSet set;
  set.path = path;
  set.info.shape = {rows.rows(), rows.cols()};
  set.info.type_class = h5::TypeClass::kFloat;
  set.info.type_bytes = 8;
  set.table.columns = statistics_of(std::as_const(rows).view(), {}, nullptr);
  for (const auto& column : columns)
    set.table.whole.push_back(
        std::all_of(column.begin(), column.end(), [](double v) { return v == std::floor(v); }) ? 1 : 0);
  return set;
}

DescribedSet labelled(const std::vector<double>& labels) {
  DescribedSet set = described("/y", {labels});
  set.table.counts.emplace();
  for (const double label : labels) ++(*set.table.counts)[static_cast<std::int64_t>(label)];
  return set;
}

std::string text_of(const Verdict& verdict, const std::string& kind) {
  for (const Finding& finding : verdict.findings)
    if (finding.kind == kind) return finding.text;
  return "";
}

Verdict of_x(const DescribedSet& x) { return verdict_of("d.h5", &x, nullptr); }
Verdict of_y(const DescribedSet& y) { return verdict_of("d.h5", nullptr, &y); }

TEST_CASE("columns of unlike or large scale are to be standardized", "[inspect]") {
  const std::vector<double> unit = {-1, 0.5, 1, 0}, large = {500, -700, 0, 100}, far = {1000, 1001, 1002, 1001};
  CHECK(of_x(described("/x", {unit, unit})).standardize == Standardize::kNone);
  CHECK_THAT(text_of(of_x(described("/x", {unit, unit})), "scale"), has_text("need no standardization"));
  CHECK_THAT(text_of(of_x(described("/x", {unit, large})), "scale"),
             has_text("column 0 goes from -1 to 1, column 1 from -700 to 500; standardize the features"));
  CHECK_THAT(text_of(of_x(described("/x", {far, unit})), "scale"),
             has_text("mean 1001 and deviation 0.7071 of column 0"));
  CHECK_THAT(text_of(of_x(described("/x", {{0.001, 0.002, 0.003}})), "scale"), has_text("small values"));
  const DescribedSet x = described("/x", {large}), y = described("/y", {far});
  CHECK(verdict_of("d.h5", &x, &y).standardize == Standardize::kBoth);
  CHECK(of_y(y).standardize == Standardize::kTargets);
  CHECK(of_x(x).standardize == Standardize::kFeatures);
}

TEST_CASE("what cannot be trained on, or tells nothing, is named", "[inspect]") {
  DescribedSet x = described("/x", {{1, NAN, 3}, {7, 7, 7}, {0, 1, 0}, {INFINITY, 1, 2}, {1e300, 1, 2}, {NAN, NAN, 1}});
  x.names = {"a", "b", "c", "d", "e", "f"};
  const Verdict verdict = of_x(x);
  CHECK_THAT(text_of(verdict, "missing"),
             has_text("2 of 6 columns (0 \"a\", 5 \"f\"), most in column 5 \"f\": 2 of 3 rows"));
  CHECK_THAT(text_of(verdict, "constant"), has_text("one value alone in 2 of 6 columns (1 \"b\", 5 \"f\")"));
  CHECK_THAT(text_of(verdict, "binary"), has_text("column 2 \"c\""));
  CHECK_THAT(text_of(verdict, "infinite"), has_text("Inf in column 3 \"d\", 1 of 3 rows"));
  CHECK_THAT(text_of(verdict, "too-large"), has_text("column 4 \"e\""));
  CHECK_THAT(text_of(of_y(described("/y", {{2, 2}})), "constant"), has_text("nothing to learn"));
}

TEST_CASE("classes are told from other whole numbers, and their balance", "[inspect]") {
  std::vector<double> labels(90, 0.0);
  labels.insert(labels.end(), {1, 1, 1, 1, 1, 1, 1, 2, 2, 2});
  DescribedSet y = labelled(labels);
  CHECK_THAT(text_of(of_y(y), "classes"), has_text("3 classes: train.loss = categorical-cross-entropy with 3"));
  CHECK_THAT(text_of(of_y(y), "balance"),
             has_text("out of balance: class 2 with 3 % of the rows is the smallest, 0 with 90 %"));
  CHECK(of_y(y).standardize == Standardize::kNone);
  y.classes = {"low", "mid", "high", "none"};
  CHECK_THAT(text_of(of_y(y), "balance"), has_text("class 2 (high) with 3 %"));
  CHECK_THAT(of_y(y).findings[1].text, has_text("1 of the 4 classes have no row"));
  CHECK_THAT(text_of(of_y(labelled({0, 1, 1, 0})), "balance"), has_text("balanced enough"));
  CHECK_THAT(text_of(of_y(labelled({0, 1, 1, 0})), "classes"), has_text("binary-cross-entropy"));
  for (const auto& values : {std::vector<double>{0, 2, 3}, {-1, 0, 1}, {5, 6, 7}})
    CHECK(text_of(of_y(labelled(values)), "classes").empty());
}

TEST_CASE("layouts that cannot be streamed are named", "[inspect]") {
  DescribedSet x = described("/x", {{1, 2}, {3, 4}});
  const auto layout = [&](std::vector<std::uint64_t> shape, std::vector<std::uint64_t> chunk) {
    x.info.shape = std::move(shape);
    x.info.chunk = std::move(chunk);
    return text_of(of_x(x), "layout");
  };
  CHECK(layout({1'000'000, 784}, {}).empty());
  CHECK(layout({1'000'000, 784}, {1000, 784}).empty());
  CHECK(layout({1000, 10}, {1000, 1}).empty());  // small
  CHECK_THAT(layout({1'000'000, 784}, {1'000'000, 1}),
             has_text("chunks of (1000000, 1), 7.63 MiB each: any row lies in 784 of them, 5.84 GiB"));
  CHECK_THAT(layout({1'000'000, 784}, {1'000'000, 784}), has_text("must hold whole ones in memory"));
  CHECK_THAT(layout({1'000'000, 4}, {1, 4}), has_text("chunks of (1, 4), 32 bytes each"));
  CHECK_THAT(layout({1'000'000, 4}, {1, 4}), has_text("`gradloom repack d.h5 --output FILE`"));
}

}  // namespace
}  // namespace gradloom
