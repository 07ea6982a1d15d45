#include "engine/data/streamed_set.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>

#include "engine/data/feed.hpp"
#include "engine/data/streamed_rows.hpp"
#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/raw_hdf5.hpp"
#include "support/temporary_folder.hpp"
#include "support/throws.hpp"

using namespace gradloom;
using gradloom::testing::has_text;
using gradloom::testing::message_of;
using gradloom::testing::RawHdf5;
using gradloom::testing::TemporaryFolder;

namespace {

constexpr std::size_t kFeatures = 5;

// Row r, counted over all files, holds r in every column of x and 10 r in y, and weighs r + 1.
void write_rows(const std::string& path, std::size_t rows, std::size_t first) {
  std::vector<double> x, y, weights;
  for (std::size_t r = first; r < first + rows; ++r) {
    x.insert(x.end(), kFeatures, static_cast<double>(r));
    y.push_back(static_cast<double>(10 * r));
    weights.push_back(static_cast<double>(r + 1));
  }
  const RawHdf5 raw(path);
  raw.dataset("x", H5T_IEEE_F32LE, {rows, kFeatures}, x);
  raw.dataset("y", H5T_STD_I64LE, {rows}, y);
  raw.dataset("w", H5T_STD_U32LE, {rows}, weights);
}

struct Files {
  TemporaryFolder folder;
  DataSource source;
  std::size_t rows = 0;

  explicit Files(const std::vector<std::size_t>& rows_of_files) {
    for (const std::size_t count : rows_of_files) {
      source.files.push_back(folder / ("part" + std::to_string(source.files.size()) + ".h5"));
      write_rows(source.files.back(), count, rows);
      rows += count;
    }
  }
};

std::unique_ptr<MinibatchFeed<float>> feed_of(const StreamedSet<float>& set, const FeedOptions& options) {
  return std::make_unique<MinibatchFeed<float>>(
      std::make_unique<StreamedRows<float>>(set, options.shuffle, options.seed, options.first_epoch,
                                            options.first_epoch_step * options.batch_size),
      options);
}

// First values of the rows of each minibatch.
std::vector<std::vector<float>> run(const StreamedSet<float>& set, const FeedOptions& options) {
  const auto feed = feed_of(set, options);
  std::vector<std::vector<float>> minibatches;
  while (const auto m = feed->next()) {
    std::vector<float> rows;
    const auto sources = feed->source_rows(*m, m->rows());
    for (std::size_t i = 0; i < m->rows(); ++i) {
      REQUIRE(m->y(i, 0) == 10 * m->x(i, 0));
      REQUIRE(m->x(i, kFeatures - 1) == m->x(i, 0));
      REQUIRE(m->x(i, 0) == static_cast<float>(sources[i]));
      if (set.shape().weighted) REQUIRE(m->weights[i] == static_cast<double>(sources[i] + 1));
      rows.push_back(m->x(i, 0));
    }
    minibatches.push_back(std::move(rows));
  }
  return minibatches;
}

std::vector<float> flat(const std::vector<std::vector<float>>& minibatches, std::size_t first, std::size_t count) {
  std::vector<float> rows;
  for (std::size_t i = first; i < first + count; ++i)
    rows.insert(rows.end(), minibatches[i].begin(), minibatches[i].end());
  return rows;
}

constexpr StreamWindow kSmall = {7, 3};  // windows of at most 21 rows
constexpr std::uint64_t kMemory = 1 << 20;
const StreamOptions kOptions = {kMemory, std::nullopt, true, kSmall};

}  // namespace

TEST_CASE("a streamed set hands out each row once an epoch, whatever gathers it", "[data][threads]") {
  Files files({100, 31, 1, 250});
  if (GENERATE(false, true)) files.source.weights = "/w";
  StreamedSet<float> set(files.source, kOptions);
  for (const bool held_out : {false, true}) {
    if (held_out) set.keep_rows(RowSplit(3, 0.3), RowUse::kTraining);
    std::vector<float> expected;
    for (std::size_t r = 0; r < files.rows; ++r)
      if (set.kept().keeps(r)) expected.push_back(static_cast<float>(r));
    for (const Shuffle shuffle : {Shuffle::kWindow, Shuffle::kNone})
      for (const std::size_t batch : {1, 16, 100, 1000}) {  // less and more than a window, and than the set
        CAPTURE(held_out, static_cast<int>(shuffle), batch);
        FeedOptions options{batch, shuffle, 3, 0, 0, 0, 3};
        const auto alone = run(set, options);
        const std::size_t steps = (expected.size() + batch - 1) / batch;
        REQUIRE(alone.size() == 3 * steps);
        for (std::size_t e = 0; e < 3; ++e) {
          auto rows = flat(alone, e * steps, steps);
          if (shuffle == Shuffle::kWindow) {
            CHECK(rows != expected);
            std::ranges::sort(rows);
          }
          CHECK(rows == expected);
        }
        options.groups_ahead = 2;
        CHECK(run(set, options) == alone);
        options.groups_ahead = 0;
        Arena arena(3);
        options.arena = &arena;
        CHECK(run(set, options) == alone);
      }
  }
}

TEST_CASE("a streamed set goes on in the middle of an epoch with the same minibatches", "[data][threads]") {
  const Files files({300, 77});
  StreamedSet<float> set(files.source, kOptions);
  set.keep_rows(RowSplit(1, 0.1), RowUse::kTraining);
  const auto whole = run(set, {13, Shuffle::kWindow, 5, 2, 0, 0, 3});
  const std::size_t steps = whole.size() / 3;
  for (const std::uint64_t from : {std::size_t{0}, std::size_t{1}, std::size_t{7}, steps - 1}) {
    const auto rest = run(set, {13, Shuffle::kWindow, 5, 2, 1, from, 3});
    REQUIRE(rest.size() == whole.size() - steps - from);
    for (std::size_t i = 0; i < rest.size(); ++i) REQUIRE(rest[i] == whole[steps + from + i]);
  }
}

TEST_CASE("a feed over a streamed set may be dropped at any time", "[data][threads]") {
  const Files files({500});
  const StreamedSet<float> set(files.source, kOptions);
  for (int i = 0; i < 20; ++i) {
    const auto feed = feed_of(set, {16, Shuffle::kWindow, 1, 2, 0, 0, 100});
    for (int k = 0; k < i; ++k) REQUIRE(feed->next().has_value());
  }
}

TEST_CASE("pieces go on from file to file", "[data][threads]") {
  Files files({10, 1, 30});
  if (GENERATE(false, true)) files.source.weights = "w";
  const StreamedSet<float> set(files.source, {.memory = kMemory});
  for (const std::uint64_t piece : {1, 7, 41, 1000}) {
    std::uint64_t next = 0;
    set.for_each_piece(piece,
                       [&](std::uint64_t first, MatrixView<float> x, MatrixView<float> y, const double* weights) {
                         REQUIRE(first == next);
                         REQUIRE((weights == nullptr) == files.source.weights.empty());
                         REQUIRE(x.rows == std::min<std::uint64_t>(piece, 41 - first));
                         for (std::size_t r = 0; r < x.rows; ++r) {
                           REQUIRE(x(r, 2) == static_cast<float>(first + r));
                           if (weights != nullptr) REQUIRE(weights[r] == static_cast<double>(first + r + 1));
                           REQUIRE(y(r, 0) == static_cast<float>(10 * (first + r)));
                         }
                         next += x.rows;
                       });
    CHECK(next == 41);
  }
}

TEST_CASE("whatever is wrong with a block ends the feed with its message", "[data][threads]") {
  const Files files({200, 100});
  std::vector<double> x(100 * kFeatures, 1.0), y(100, 2.0);
  x[61 * kFeatures + 2] = std::numeric_limits<double>::quiet_NaN();
  {
    const RawHdf5 raw(files.source.files[1]);
    raw.dataset("x", H5T_IEEE_F32LE, {100, kFeatures}, x);
    raw.dataset("y", H5T_STD_I64LE, {100}, y);
  }
  for (const std::size_t ahead : {0, 2}) {
    const StreamedSet<float> set(files.source, kOptions);
    const std::string message = message_of<DataError>([&] {
      const auto feed = feed_of(set, {16, Shuffle::kWindow, 1, ahead, 0, 0, 1});
      while (feed->next()) {
      }
    });
    CHECK_THAT(message, has_text("part1.h5: /x row 61, column 2 is NaN"));
  }
  const StreamedSet<float> labelled(files.source,
                                    {kMemory, TargetRules{Loss::kCategoricalCrossEntropy, 3}, true, kSmall});
  CHECK_THAT(message_of<DataError>([&] {
               const auto feed = feed_of(labelled, {16, Shuffle::kNone, 1, 0, 0, 0, 1});
               while (feed->next()) {
               }
             }),
             has_text("targets row 1, column 0 is 10; categorical-cross-entropy needs a class index from 0 to 2"));
}

TEST_CASE("a file that changes while it is streamed ends the feed", "[data][threads]") {
  for (const bool removed : {false, true}) {
    const Files files({5000});
    const StreamedSet<float> set(files.source, kOptions);
    const auto feed = feed_of(set, {16, Shuffle::kWindow, 1, 0, 0, 0, 1000});
    REQUIRE(feed->next().has_value());
    if (removed)
      std::filesystem::remove(files.source.files[0]);
    else
      std::filesystem::resize_file(files.source.files[0], 10000);
    const std::string message = message_of<DataError>([&] {
      while (feed->next()) {
      }
    });
    CHECK_THAT(message, has_text("part0.h5: "));
    if (removed) CHECK_THAT(message, has_text("was removed while it was read"));
  }
}

TEST_CASE("streams are planned by the files' layout and by memory", "[data]") {
  const auto file = [](std::vector<std::uint64_t> shape, std::vector<std::uint64_t> chunk) {
    SourceFile f;
    f.path = "a.h5";
    f.x.shape = std::move(shape);
    f.x.chunk = std::move(chunk);
    f.y.shape = {f.x.shape[0]};
    return f;
  };
  constexpr std::uint64_t kMiB = 1 << 20;
  const RowBytes row{784 * 4, 4};

  const StreamPlan plain = plan_stream({file({1'048'576, 784}, {})}, {}, row, 256 * kMiB);
  CHECK(plain.readers == 1);
  CHECK(plain.block_rows * row.all() <= kMiB);
  CHECK(plain.window_blocks > 200);
  CHECK(2 * plain.window_blocks * plain.block_rows * row.all() < 225 * kMiB);
  CHECK(2 * plain.window_blocks * plain.block_rows * row.all() > 200 * kMiB);

  const StreamPlan chunked = plan_stream({file({1'048'576, 784}, {1000, 49})}, {}, row, 256 * kMiB);
  CHECK(chunked.block_rows == 1000);
  const StreamPlan small_chunks = plan_stream({file({1'048'576, 784}, {10, 784})}, {}, row, 256 * kMiB);
  CHECK(small_chunks.block_rows % 10 == 0);
  CHECK(small_chunks.block_rows > 100);

  // All rows of one feature in a chunk.
  const std::string hopeless = message_of<DataError>([&] {
    plan_stream({file({1'048'576, 784}, {1'048'576, 1})}, {}, row, 256 * kMiB);
  });
  CHECK_THAT(hopeless, has_text("a.h5: cannot be streamed: the chunks of /x are (1048576, 1), so 1048576 rows"));
  CHECK_THAT(hopeless, has_text("gradloom repack"));
  CHECK_THAT(message_of<DataError>([&] {
               plan_stream({file({1'048'576, 784}, {})}, {}, row, 10000);
             }),
             has_text("a.h5: cannot be streamed within the 10000 bytes that data.memory leaves for it; raise it"));

  // Targets whose chunks hold all rows are read once, where they are few.
  SourceFile targets = file({1'048'576, 784}, {});
  targets.y.chunk = {1'048'576};
  CHECK(plan_stream({targets}, {}, row, 256 * kMiB).targets_in_memory);
  CHECK_FALSE(plan_stream({file({1'048'576, 784}, {})}, {}, row, 256 * kMiB).targets_in_memory);

  // So are their weights.
  SourceFile weighted = file({1'048'576, 784}, {});
  weighted.weights.shape = weighted.weights.chunk = {1'048'576};
  CHECK(plan_stream({weighted}, {}, {784 * 4, 4, 8}, 256 * kMiB).weights_in_memory);
  weighted.weights.chunk = {100};
  CHECK_FALSE(plan_stream({weighted}, {}, {784 * 4, 4, 8}, 256 * kMiB).weights_in_memory);

  const StreamPlan again = plan_stream_again({file({1'048'576, 784}, {})}, {}, row, 256 * kMiB, {100, 7});
  CHECK(again.block_rows == 100);
  CHECK(again.window_blocks == 7);
  CHECK_THAT(message_of<DataError>([&] {
               plan_stream_again({file({1'048'576, 784}, {})}, {}, row, kMiB, {100, 7});
             }),
             has_text("the run began with windows of 700 rows"));
}
