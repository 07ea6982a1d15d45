#include "engine/data/feed.hpp"

#include <algorithm>
#include <functional>
#include <set>

#include "support/catch.hpp"

using namespace gradloom;

namespace {

// Row r holds r in x and 10 r in y, and weighs r + 0.5, so that rows can be told apart and pairs checked.
Dataset<float> numbered(std::size_t rows) {
  Dataset<float> data;
  data.x = Matrix<float>(rows, 2);
  data.y = Matrix<float>(rows, 1);
  data.weights.resize(rows);
  for (std::size_t r = 0; r < rows; ++r) {
    data.x(r, 0) = data.x(r, 1) = static_cast<float>(r);
    data.y(r, 0) = static_cast<float>(10 * r);
    data.weights[r] = static_cast<double>(r) + 0.5;
  }
  return data;
}

struct Seen {
  std::vector<std::vector<float>> minibatches;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> places;
  friend bool operator==(const Seen&, const Seen&) = default;
};

// `step` is done with what is offered beside each.
Seen run(
    const Dataset<float>& data, const FeedOptions& options,
    const std::function<void(SideWork*)>& step = [](SideWork*) {}) {
  MinibatchFeed<float> feed(data, options);
  Seen seen;
  while (const auto m = feed.next()) {
    const auto sources = feed.source_rows(*m, 1000000);
    REQUIRE(sources.size() == m->rows());
    std::vector<float> rows;
    for (std::size_t i = 0; i < m->rows(); ++i) {
      REQUIRE(m->y(i, 0) == 10 * m->x(i, 0));
      REQUIRE(m->x(i, 0) == static_cast<float>(sources[i]));
      REQUIRE(m->numbers[i] == sources[i]);
      if (data.weights.empty())
        REQUIRE(m->weights == nullptr);
      else
        REQUIRE(m->weights[i] == static_cast<double>(m->x(i, 0)) + 0.5);
      rows.push_back(m->x(i, 0));
    }
    seen.minibatches.push_back(rows);
    seen.places.emplace_back(m->epoch, m->epoch_step);
    step(feed.side_work());
    REQUIRE(m->x(0, 0) == rows.front());  // untouched by what is gathered for the next ones
  }
  return seen;
}

}  // namespace

TEST_CASE("an epoch hands out every row once, the last minibatch what is left", "[data][threads]") {
  const auto data = numbered(1003);
  for (const Shuffle shuffle : {Shuffle::kFull, Shuffle::kNone}) {
    for (const std::size_t ahead : {0, 1, 3}) {
      const Seen seen = run(data, {100, shuffle, 7, ahead, 0, 0, 2});
      REQUIRE(seen.minibatches.size() == 22);
      CHECK(seen.minibatches[10].size() == 3);
      CHECK(seen.places[11] == std::pair<std::uint64_t, std::uint64_t>{1, 0});
      std::set<float> rows;
      for (int i = 0; i < 11; ++i) rows.insert(seen.minibatches[i].begin(), seen.minibatches[i].end());
      CHECK(rows.size() == 1003);
    }
  }
}

TEST_CASE("the order does not depend on weights", "[data][threads]") {
  auto data = numbered(1003);
  for (const Shuffle shuffle : {Shuffle::kFull, Shuffle::kNone}) {
    const Seen weighted = run(data, {100, shuffle, 7, 2, 0, 0, 2});
    auto without = data;
    without.weights.clear();
    CHECK(run(without, {100, shuffle, 7, 2, 0, 0, 2}) == weighted);
  }
}

TEST_CASE("the order does not depend on gathering ahead", "[data][threads]") {
  const auto data = numbered(10007);
  const Seen inline_order = run(data, {64, Shuffle::kFull, 3, 0, 0, 0, 2});
  CHECK(run(data, {64, Shuffle::kFull, 3, 1, 0, 0, 2}) == inline_order);
  CHECK(run(data, {64, Shuffle::kFull, 3, 4, 0, 0, 2}) == inline_order);
}

TEST_CASE("the order does not depend on the threads that gather together", "[data][threads][slow]") {
  const auto data = numbered(100'003);
  for (const std::size_t batch : {7, 1000, 70'000}) {  // groups of many pieces, the last one of an epoch smaller
    const Seen alone = run(data, {batch, Shuffle::kFull, 3, 0, 0, 0, 2});
    for (const std::size_t threads : {1, 2, 5}) {
      Arena arena(threads);
      CHECK(run(data, {batch, Shuffle::kFull, 3, 0, 0, 0, 2, &arena}) == alone);
      CHECK(run(data, {batch, Shuffle::kFull, 3, 2, 0, 0, 2, &arena}) == alone);
    }
  }
}

TEST_CASE("the order does not depend on what is gathered beside steps", "[data][threads]") {
  const auto data = numbered(40'009);
  Arena arena(3);
  for (const std::size_t batch : {7, 1000, 20'000}) {  // many steps a group, or one
    FeedOptions options{batch, Shuffle::kFull, 3, 0, 0, 1, 2, &arena};
    const Seen expected = run(data, options);
    options.beside_steps = true;
    for (const std::size_t most : {0, 1, 32}) {  // pieces that a step does of those it is offered: 32 are all
      std::size_t offered = 0;
      CHECK(run(data, options, [&](SideWork* work) {
              REQUIRE(work != nullptr);
              offered += work->has_pieces() ? 1 : 0;
              arena.for_each(most, [&](std::size_t) { work->do_piece(); });
              if (most == 32) REQUIRE_FALSE(work->has_pieces());
              if (most == 32) REQUIRE_FALSE(work->do_piece());
            }) == expected);
      CHECK(offered > 0);
      if (batch == 7 && most == 32) CHECK(offered < expected.minibatches.size() / 10);  // a few pieces at a time
    }
  }
}

TEST_CASE("side work is offered where a feed gathers beside steps, and has room for it", "[data]") {
  const auto data = numbered(1000);
  FeedOptions options{10, Shuffle::kFull};
  options.groups_ahead = 0;
  CHECK(MinibatchFeed<float>(data, options).side_work() == nullptr);
  options.beside_steps = true;
  CHECK(MinibatchFeed<float>(data, options).side_work() != nullptr);
  CHECK(plan_feed(60'000, 784 * 4, options).beside_steps);
  options.batch_size = 10'000;  // 31 MB
  CHECK_FALSE(plan_feed(60'000, 784 * 4, options).beside_steps);
  CHECK(plan_feed(60'000, 784 * 4, options).groups == 1);
}

TEST_CASE("a feed goes on in the middle of an epoch with the same minibatches", "[data][threads]") {
  const auto data = numbered(10007);
  const Seen whole = run(data, {64, Shuffle::kFull, 3, 2, 0, 0, 3});
  for (const std::uint64_t from : {1, 63, 64, 65, 156}) {
    const Seen rest = run(data, {64, Shuffle::kFull, 3, 2, 1, from, 3});
    const std::size_t skip = 157 + from;
    REQUIRE(rest.minibatches.size() == whole.minibatches.size() - skip);
    for (std::size_t i = 0; i < rest.minibatches.size(); ++i)
      REQUIRE(rest.minibatches[i] == whole.minibatches[skip + i]);
  }
}

TEST_CASE("a feed may be dropped while it gathers", "[data][threads]") {
  const auto data = numbered(100000);
  for (int i = 0; i < 20; ++i) {
    MinibatchFeed<float> feed(data, {16, Shuffle::kFull, 1, 2, 0, 0, 100});
    REQUIRE(feed.next().has_value());
  }
}

TEST_CASE("a minibatch of all rows is the set itself", "[data][threads]") {
  for (const std::size_t batch : {5, 1000}) {
    const auto data = numbered(5);
    const Seen seen = run(data, {batch, Shuffle::kFull, 1, 2, 0, 0, 3});
    REQUIRE(seen.minibatches.size() == 3);
    for (const auto& m : seen.minibatches) CHECK(m.size() == 5);
    MinibatchFeed<float> feed(data, {batch, Shuffle::kFull, 1, 2, 0, 0, 3});
    CHECK(feed.next()->x.data == data.x.data());
  }
}

TEST_CASE("rows of any width are gathered", "[data][threads]") {
  for (const std::size_t features : {1, 2, 3, 7, 15, 16, 17, 40, 300})
    for (const std::size_t targets : {1, 2, 5}) {
      Dataset<double> data;
      data.x = Matrix<double>(333, features);
      data.y = Matrix<double>(333, targets);
      for (std::size_t i = 0; i < 333 * features; ++i) data.x.data()[i] = static_cast<double>(i);
      for (std::size_t i = 0; i < 333 * targets; ++i) data.y.data()[i] = -static_cast<double>(i);
      MinibatchFeed<double> feed(data, {50, Shuffle::kFull, 1, 2, 0, 0, 1});
      while (const auto m = feed.next())
        for (std::size_t i = 0; i < m->rows(); ++i) {
          CAPTURE(features, targets, i);
          REQUIRE(std::ranges::equal(m->x.row(i), data.x.row(m->numbers[i])));
          REQUIRE(std::ranges::equal(m->y.row(i), data.y.row(m->numbers[i])));
        }
    }
}

TEST_CASE("groups are bounded by rows and by bytes", "[data][threads]") {
  FeedOptions options;
  options.batch_size = 32;
  const FeedPlan narrow = plan_feed(1'000'000, 16, options);
  CHECK(narrow.steps == 1024);
  CHECK(narrow.groups == 3);
  CHECK(narrow.bytes == 3 * 32768 * (16 + 8));
  CHECK(plan_feed(1000, 16, options).rows == 1000);

  const std::uint64_t wide_row = 784 * 4;
  const FeedPlan wide = plan_feed(60'000, wide_row, options);
  CHECK(wide.rows * wide_row <= 1 << 20);
  CHECK(wide.steps == 10);

  options.batch_size = 10'000;  // 31 MB: the minibatch in use is all there is room for
  const FeedPlan large = plan_feed(60'000, wide_row, options);
  CHECK(large.groups == 1);
  CHECK(large.rows == 10'000);
}
