#include "engine/train/statistics_cache.hpp"

#include <filesystem>
#include <fstream>
#include <limits>

#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace gradloom;

namespace {

const SourceShape kShape{100, 3, 1, false};

}  // namespace

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
  const StatisticsCache cache(path, config, source, kShape);
  CHECK_FALSE(cache.read().has_value());

  const Standardization written{{0.1, -1.0 / 3, 1e-310}, {2, std::numeric_limits<double>::max(), 1}, {5e-324}, {0.7}};
  cache.write({written, {}});
  const auto found = StatisticsCache(path, config, source, kShape).read();
  REQUIRE(found.has_value());
  CHECK(found->standardization.x_mean == written.x_mean);
  CHECK(found->standardization.x_scale == written.x_scale);
  CHECK(found->standardization.y_mean == written.y_mean);
  CHECK(found->standardization.y_scale == written.y_scale);

  for (const Standardization& wrong :
       {Standardization{{}, {}, {1}, {1}}, Standardization{{1, 1}, {1, 1}, {1}, {1}},
        Standardization{{1, 1, 1}, {1, 0, 1}, {1}, {1}}, Standardization{{1, 1, 1}, {1, 1, 1}, {1}, {-1}}}) {
    cache.write({wrong, {}});
    CHECK_FALSE(cache.read().has_value());
  }
  cache.write({written, {100}});
  CHECK_FALSE(cache.read().has_value());
  cache.write({written, {}});

  const auto of = [&](const Config& other) { return StatisticsCache(path, other, source, kShape).read().has_value(); };
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
  CHECK_FALSE(StatisticsCache(path, config, {{data, data}}, kShape).read().has_value());
  CHECK_FALSE(StatisticsCache(path, config, {{data}, "z"}, kShape).read().has_value());
  const std::string odd = write("\xFF.h5", "some bytes");  // no UTF-8
  const StatisticsCache of_odd(path, config, {{odd}}, kShape);
  of_odd.write({written, {}});
  CHECK(of_odd.read().has_value());
  cache.write({written, {}});
  std::filesystem::resize_file(data, 3);
  CHECK_FALSE(of(config));
  for (const char* nonsense : {"", "null", "[1]", "{\"data\": 1}"}) {
    write("statistics.json", nonsense);
    CHECK_FALSE(of(config));
  }
}
