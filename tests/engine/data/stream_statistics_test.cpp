#include "engine/data/stream_statistics.hpp"

#include <random>

#include "engine/core/parallel.hpp"
#include "engine/io/hdf5.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace gradloom;

namespace {

// Files of rows of random numbers, of sizes that no block of rows divides. Wide rows come in blocks of some hundreds.
DataSource write_files(const testing::TemporaryFolder& folder, std::size_t features, std::size_t outputs) {
  const bool wide = features + outputs > 100;
  std::mt19937 random(3);
  std::normal_distribution<double> normal(1e3, 5);
  DataSource source;
  for (const std::size_t rows : {1, wide ? 700 : 5000, 77, wide ? 410 : 2048}) {
    const std::string path = folder / ("part" + std::to_string(source.files.size()) + ".h5");
    Matrix<double> x(rows, features), y(rows, outputs);
    for (Matrix<double>* m : {&x, &y})
      for (std::size_t i = 0; i < rows * m->cols(); ++i) m->data()[i] = normal(random);
    h5::File file = h5::File::create(path);
    file.create_rows<double>("/x", {.cols = features, .chunk_rows = 100});
    file.append_rows<double>("/x", std::as_const(x).view());
    file.create_rows<double>("/y", {.cols = outputs});
    file.append_rows<double>("/y", std::as_const(y).view());
    file.close();
    source.files.push_back(path);
  }
  return source;
}

}  // namespace

TEST_CASE("a stream's statistics are those of the same rows in memory, bit by bit", "[data][threads][slow]") {
  for (const auto& [features, outputs] : {std::pair<std::size_t, std::size_t>{3, 1}, {700, 2}, {2, 900}}) {
    const testing::TemporaryFolder folder;
    const DataSource source = write_files(folder, features, outputs);
    for (const double held_out : {0.0, 0.3, 0.97}) {
      CAPTURE(features, outputs, held_out);
      auto data = read_dataset<double>(source, 1 << 30);
      StreamedSet<double> set(source, {.memory = 4 << 20});
      if (held_out > 0) {
        data = split_rows(std::move(data), RowSplit(7, held_out)).training;
        set.keep_rows(RowSplit(7, held_out), RowUse::kTraining);
      }
      const Standardization expected = fit_standardization(data, Standardize::kBoth);
      const Standardization found = fit_standardization(statistics_of(set, Standardize::kBoth), "set");
      CHECK(found.x_mean == expected.x_mean);
      CHECK(found.x_scale == expected.x_scale);
      CHECK(found.y_mean == expected.y_mean);
      CHECK(found.y_scale == expected.y_scale);
      CHECK(expected.x_mean.size() == features);
      const DataStatistics of_y = statistics_of(set, Standardize::kTargets);
      CHECK(of_y.x.columns() == 0);
      CHECK(of_y.y.columns() == outputs);
    }
  }
}
