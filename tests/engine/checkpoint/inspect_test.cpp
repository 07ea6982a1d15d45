#include "gradloom/inspect.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/io/hdf5.hpp"
#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/sample_checkpoint.hpp"

namespace gradloom {
namespace {

using Json = nlohmann::json;

// x (4, 2) and integer labels; `spoil` may change x before it is written.
void write_data(const std::string& path, double last_x, bool with_targets) {
  const std::array<double, 8> x = {1, 10, 2, 10, 3, 10, last_x, 10};
  const std::array<std::int64_t, 4> y = {0, 2, 2, 0};
  const std::array<std::uint64_t, 2> shape{4, 2};
  h5::File file = h5::File::create(path);
  file.write<double>("/x", shape, x.data());
  file.write_attribute("/x", "names", std::vector<std::string>{"a", "b"});
  if (with_targets) {
    file.write<std::int64_t>("/y", std::span(shape).first(1), y.data());
    file.write_attribute("/y", "classes", std::vector<std::string>{"low", "mid", "high"});
  }
  file.write<double>("/group/extra", shape, x.data());
  file.close();
}

std::string verify_error(const std::string& path) {
  try {
    verify(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a checkpoint is described", "[inspect]") {
  const testing::TemporaryFolder folder;
  write_bytes(folder / "c.h5", encode_checkpoint(view_of(sample_checkpoint<float>())));
  const Json d = Json::parse(inspect(folder / "c.h5", true));
  CHECK(d["kind"] == "checkpoint");
  CHECK(d["precision"] == "float32");
  CHECK(d["parameters"] == 13);
  CHECK(d["layers"][0]["activation"] == "leaky-relu");
  CHECK(d["layers"][0]["dropout"] == 0.25);
  CHECK(d["layers"][1]["inputs"] == 3);
  CHECK_FALSE(d["layers"][1].contains("dropout"));
  CHECK(d["progress"]["seed"] == 18446744073709551615U);
  CHECK(d["progress"]["best"][0]["score"] == 0.25);
  CHECK(d["preprocessing"]["x_mean"] == Json({1.0, 2.0}));
  CHECK(d["environment"].contains("blas_core_type"));
  CHECK(d["environment"]["elapsed_seconds"] == 12.5);
  const std::string text = inspect(folder / "c.h5", false);
  CHECK(text.find("layer_000: 2 -> 3 leaky-relu dropout=0.25\n") != std::string::npos);
  CHECK(text.find("features and targets") != std::string::npos);
  CHECK_NOTHROW(verify(folder / "c.h5"));
}

TEST_CASE("the schedule state of a plateau is described", "[inspect]") {
  const testing::TemporaryFolder folder;
  auto written = sample_checkpoint<float>();
  write_bytes(folder / "c.h5", encode_checkpoint(view_of(written)));
  CHECK(Json::parse(inspect(folder / "c.h5", true))["progress"]["plateau"] ==
        Json({{"best", 0.25}, {"bad_epochs", 4}, {"cooldown_left", 1}, {"scale", 0.1}}));
  CHECK(inspect(folder / "c.h5", false)
            .find("plateau: best 0.25, 4 bad epochs, 1 of cooldown left, learning rate x 0.1\n") != std::string::npos);
  written.progress.plateau.reset();
  write_bytes(folder / "none.h5", encode_checkpoint(view_of(written)));
  CHECK_FALSE(Json::parse(inspect(folder / "none.h5", true))["progress"].contains("plateau"));
  CHECK(inspect(folder / "none.h5", false).find("plateau") == std::string::npos);
}

TEST_CASE("a data set is described with its statistics", "[inspect]") {
  const testing::TemporaryFolder folder;
  write_data(folder / "d.h5", 4, true);
  const Json d = Json::parse(inspect(folder / "d.h5", true));
  CHECK(d["kind"] == "data set");
  REQUIRE(d["data_sets"].size() == 3);
  CHECK(d["data_sets"][0]["path"] == "/group/extra");
  const Json x = d["data_sets"][1], y = d["data_sets"][2];
  CHECK(x["shape"] == Json({4, 2}));
  CHECK(x["type"] == "float64");
  CHECK(x["columns"][0]["name"] == "a");
  CHECK(x["columns"][0]["min"] == 1.0);
  CHECK(x["columns"][0]["max"] == 4.0);
  CHECK(x["columns"][0]["mean"] == 2.5);
  CHECK(x["columns"][0]["deviation"].get<double>() == Approx(std::sqrt(1.25)));
  CHECK(x["columns"][1]["deviation"] == 0.0);
  CHECK(y["counts"]["2"] == 2);
  CHECK(y["classes"][2] == "high");
  const std::string text = inspect(folder / "d.h5", false);
  CHECK(text.find("  2 (high): 2 rows, 50 %\n") != std::string::npos);
  CHECK(text.find("  0  a       1    4   2.5    1.11803        0\n") != std::string::npos);
  CHECK(verify(folder / "d.h5").find("4 rows, 2 features, 1 targets") != std::string::npos);
}

TEST_CASE("of a set of millions of columns the first are described", "[inspect][slow]") {
  const testing::TemporaryFolder folder;
  const std::array<std::uint64_t, 2> shape{1, 200'005};
  const std::vector<float> row(shape[1], 2.5F);
  h5::File file = h5::File::create(folder / "wide.h5");
  file.write<float>("/x", shape, row.data());
  file.close();
  const Json x = Json::parse(inspect(folder / "wide.h5", true))["data_sets"][0];
  CHECK(x["columns"].size() == 200'000);
  CHECK(x["columns"].back()["mean"] == 2.5);
  CHECK(x["columns_left_out"] == 5);
  CHECK(x["columns"].front()["deviation"] == 0.0);
  const std::string text = inspect(folder / "wide.h5", false);
  CHECK(text.find("  and 5 columns more that are not described\n") != std::string::npos);
  CHECK(text.size() < 3000);
}

TEST_CASE("what `train` could not read is not verified", "[inspect]") {
  const testing::TemporaryFolder folder;
  write_data(folder / "nan.h5", std::numeric_limits<double>::quiet_NaN(), true);
  CHECK(verify_error(folder / "nan.h5").find("/x row 3, column 0 is NaN") != std::string::npos);
  CHECK(Json::parse(inspect(folder / "nan.h5", true))["data_sets"][1]["columns"][0]["missing"] == 1);
  write_data(folder / "bare.h5", 4, false);
  CHECK(verify_error(folder / "bare.h5").find("/y") != std::string::npos);
  std::ofstream(folder / "text.csv") << "a,b\n1,2\n";
  CHECK_THROWS_AS(verify(folder / "text.csv"), DataError);
  CHECK_THROWS_AS(inspect(folder / "text.csv", false), DataError);
  CHECK_THROWS_AS(verify(folder / "absent.h5"), ConfigError);
  auto bytes = encode_checkpoint(view_of(sample_checkpoint<float>()));
  bytes[0] ^= std::byte{1};
  write_bytes(folder / "c.h5", bytes);
  CHECK_THROWS_AS(verify(folder / "c.h5"), CheckpointError);
  bytes.resize(300);
  write_bytes(folder / "c.h5", bytes);
  CHECK_THROWS_AS(verify(folder / "c.h5"), CheckpointError);
}

}  // namespace gradloom
