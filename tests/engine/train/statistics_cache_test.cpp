#include "engine/train/statistics_cache.hpp"

#include <filesystem>
#include <fstream>
#include <limits>

#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace gradloom;

TEST_CASE("statistics are found again, bit by bit, until data or config are others", "[train]") {
  const testing::TemporaryFolder folder;
  const auto write = [&](const std::string& name, const std::string& text) {
    std::ofstream(folder / name) << text;
    return folder / name;
  };
  const std::string data = write("data.h5", "some bytes"), path = folder / "statistics.json";
  Config config;
  config.data.standardize = Standardize::kBoth;
  config.data.valid_fraction = 0.1;
  const DataSource source{{data}};
  const StatisticsCache cache(path, config, source);
  CHECK_FALSE(cache.read().has_value());

  const Standardization written{{0.1, -1.0 / 3, 1e-310}, {2, std::numeric_limits<double>::max(), 1}, {5e-324}, {0.7}};
  cache.write(written);
  const auto found = StatisticsCache(path, config, source).read();
  REQUIRE(found.has_value());
  CHECK(found->x_mean == written.x_mean);
  CHECK(found->x_scale == written.x_scale);
  CHECK(found->y_mean == written.y_mean);
  CHECK(found->y_scale == written.y_scale);

  const auto of = [&](const Config& other) { return StatisticsCache(path, other, source).read().has_value(); };
  CHECK(of(config));
  Config other = config;
  other.train.seed = 2;
  CHECK_FALSE(of(other));
  other = config;
  other.data.valid_fraction = 0.2;
  CHECK_FALSE(of(other));
  other = config;
  other.model.precision = Precision::kFloat64;
  CHECK_FALSE(of(other));
  CHECK_FALSE(StatisticsCache(path, config, {{data, data}}).read().has_value());
  CHECK_FALSE(StatisticsCache(path, config, {{data}, "z"}).read().has_value());
  std::filesystem::resize_file(data, 3);
  CHECK_FALSE(of(config));
  for (const char* nonsense : {"", "null", "[1]", "{\"data\": 1}"}) {
    write("statistics.json", nonsense);
    CHECK_FALSE(of(config));
  }
}
