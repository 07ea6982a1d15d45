#include "engine/data/window_order.hpp"

#include <algorithm>
#include <numeric>
#include <random>
#include <set>

#include "engine/data/prepare.hpp"
#include "support/catch.hpp"

using namespace gradloom;

namespace {

struct Case {
  std::vector<std::uint64_t> file_rows;
  std::uint64_t block_rows, window_blocks;
  double held_out;
};

Case random_case(std::mt19937& random) {
  const auto in = [&](std::uint64_t low, std::uint64_t high) {
    return std::uniform_int_distribution<std::uint64_t>(low, high)(random);
  };
  Case c{{}, in(1, 40), in(1, 20), in(0, 2) == 0 ? 0.3 : 0.0};
  for (std::uint64_t files = in(1, 4); files > 0; --files) c.file_rows.push_back(in(1, 500));
  return c;
}

// The source's rows of an epoch, in order, all windows gone through in pieces of random size.
std::vector<std::uint64_t> epoch_of(const RowBlocks& blocks, const KeptRows& kept, const WindowOrder& order,
                                    std::mt19937& random) {
  std::vector<std::uint64_t> rows;
  for (std::uint64_t w = 0; w < order.windows(); ++w) {
    std::vector<std::uint64_t> in_window;  // kept rows, block behind block
    for (const std::uint64_t b : order.blocks(w))
      for (std::uint64_t r = blocks[b].row; r < blocks[b].row + blocks[b].rows; ++r)
        if (kept.keeps(r)) in_window.push_back(r);
    REQUIRE(order.first(w + 1) - order.first(w) == in_window.size());
    for (std::uint64_t at = order.first(w); at < order.first(w + 1);) {
      REQUIRE(order.window_of(at) == w);
      std::vector<std::uint64_t> places(
          std::uniform_int_distribution<std::uint64_t>(1, order.first(w + 1) - at)(random));
      order.places(w, at, places);
      for (const std::uint64_t place : places) rows.push_back(in_window.at(place));
      at += places.size();
    }
  }
  return rows;
}

}  // namespace

TEST_CASE("blocks cover the rows of all files once", "[data]") {
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    const Case c = random_case(random);
    const RowBlocks blocks(c.file_rows, c.block_rows);
    std::uint64_t row = 0;
    for (std::uint64_t b = 0; b < blocks.count(); ++b) {
      const RowBlock block = blocks[b];
      REQUIRE(block.row == row);
      REQUIRE(block.rows > 0);
      REQUIRE(block.rows <= c.block_rows);
      const bool ends_file = block.file_row + block.rows == c.file_rows[block.file];
      REQUIRE((block.rows == c.block_rows || ends_file));
      REQUIRE(blocks.block_of(row) == b);
      REQUIRE(blocks.block_of(row + block.rows - 1) == b);
      row += block.rows;
    }
    REQUIRE(row == blocks.rows());
  }
}

TEST_CASE("kept rows are those that are not held out, numbered in order", "[data]") {
  const std::array<std::uint64_t, 3> files = {100, 37, 1};
  const RowBlocks blocks(files, 10);
  const KeptRows all(blocks);
  CHECK(all.count() == 138);
  CHECK(all.source_row(77) == 77);
  const KeptRows kept(blocks, RowSplit(5, 0.25), RowUse::kTraining);
  std::uint64_t number = 0;
  for (std::uint64_t b = 0; b < blocks.count(); ++b) {
    CHECK(kept.before(b) == number);
    for (std::uint64_t r = blocks[b].row; r < blocks[b].row + blocks[b].rows; ++r) {
      CHECK(kept.keeps(r) == !is_held_out(5, 0.25, r));
      if (kept.keeps(r)) CHECK(kept.source_row(number++) == r);
    }
    CHECK(kept.in(b) == number - kept.before(b));
  }
  CHECK(kept.count() == number);
  const KeptRows others(blocks, RowSplit(5, 0.25), RowUse::kValidation);
  CHECK(others.count() == 138 - number);
  for (std::uint64_t i = 0; i < others.count(); ++i) CHECK(is_held_out(5, 0.25, others.source_row(i)));
}

TEST_CASE("every epoch has each kept row once, and epochs differ", "[data]") {
  std::mt19937 random(7);
  for (int i = 0; i < 300; ++i) {
    const Case c = random_case(random);
    const RowBlocks blocks(c.file_rows, c.block_rows);
    const KeptRows kept =
        c.held_out > 0 ? KeptRows(blocks, RowSplit(i, c.held_out), RowUse::kTraining) : KeptRows(blocks);
    if (kept.count() == 0) continue;
    std::vector<std::uint64_t> expected;
    for (std::uint64_t r = 0; r < blocks.rows(); ++r)
      if (kept.keeps(r)) expected.push_back(r);
    const auto rows_of = [&](Shuffle shuffle, std::uint64_t seed, std::uint64_t epoch) {
      return epoch_of(blocks, kept, WindowOrder(blocks, kept, c.window_blocks, shuffle, seed, epoch), random);
    };
    CHECK(rows_of(Shuffle::kNone, 3, 4) == expected);
    const auto first = rows_of(Shuffle::kWindow, 3, 0);
    CHECK(rows_of(Shuffle::kWindow, 3, 0) == first);
    if (kept.count() > 50) {
      CHECK(rows_of(Shuffle::kWindow, 3, 1) != first);
      CHECK(rows_of(Shuffle::kWindow, 4, 0) != first);
    }
    auto sorted = first;
    std::ranges::sort(sorted);
    CHECK(sorted == expected);
  }
}

TEST_CASE("ten thousand million rows are a matter of arithmetic", "[data][slow]") {
  const std::array<std::uint64_t, 2> files = {9'999'999'001, 999};
  const RowBlocks blocks(files, 10'000);
  const KeptRows kept(blocks);
  CHECK(blocks.count() == 1'000'001);
  CHECK(blocks[blocks.count() - 1].row == 9'999'999'001);
  const WindowOrder order(blocks, kept, 5'000, Shuffle::kWindow, 1, 12);
  CHECK(order.windows() == 201);
  CHECK(order.first(order.windows()) == 10'000'000'000);
  std::set<std::uint64_t> seen;
  for (std::uint64_t w = 0; w < order.windows(); ++w)
    for (const std::uint64_t b : order.blocks(w)) REQUIRE(seen.insert(b).second);
  CHECK(seen.size() == blocks.count());
  const std::uint64_t middle = 7'654'321'098;
  const std::uint64_t w = order.window_of(middle);
  std::array<std::uint64_t, 5> places{};
  order.places(w, middle, places);
  for (const std::uint64_t place : places) CHECK(place < order.first(w + 1) - order.first(w));
}
