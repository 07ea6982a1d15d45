#include "gradloom/generate.hpp"

#include <cmath>
#include <filesystem>
#include <numbers>

#include "engine/io/hdf5.hpp"
#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"
#include "support/throws.hpp"

namespace gradloom {
namespace {

using testing::has_text;
using testing::message_of;

struct Set {
  std::size_t rows = 0, features = 0;
  std::vector<float> x;
  std::vector<double> y;
  [[nodiscard]] double at(std::size_t r, std::size_t j) const { return x[r * features + j]; }
};

Set generated(const testing::TemporaryFolder& folder, GenerateOptions options) {
  options.output = folder / "set.h5";
  generate(options);
  const h5::File file = h5::File::open(options.output);
  Set set;
  set.rows = static_cast<std::size_t>(file.info("/x").shape.at(0));
  set.features = static_cast<std::size_t>(file.info("/x").shape.at(1));
  set.x.resize(set.rows * set.features);
  set.y.resize(set.rows);
  file.read_rows<float>("/x", 0, {set.x.data(), set.rows, set.features});
  file.read_rows<double>("/y", 0, {set.y.data(), set.rows, 1});
  return set;
}

GenerateOptions options_of(const std::string& name, std::uint64_t rows, double noise = 0) {
  GenerateOptions options;
  options.name = name;
  options.rows = rows;
  options.noise = noise;
  return options;
}

}  // namespace

TEST_CASE("every synthetic set is a function of seed and row", "[slow]") {
  const testing::TemporaryFolder folder;
  for (const auto& [name, formula] : generator_names()) {
    INFO(name);
    CHECK_FALSE(formula.empty());
    const Set few = generated(folder, options_of(name, 100, 0.1));
    Set many = generated(folder, options_of(name, 200'000, 0.1));  // several blocks
    REQUIRE(few.rows == 100);
    REQUIRE(many.rows == 200'000);
    many.x.resize(few.x.size());
    many.y.resize(few.y.size());
    CHECK(few.x == many.x);
    CHECK(few.y == many.y);
    GenerateOptions other = options_of(name, 100, 0.1);
    other.seed = 2;
    CHECK(generated(folder, other).x != few.x);
  }
  CHECK(folder.entries() == 1);
}

TEST_CASE("friedman1 follows its formula") {
  const testing::TemporaryFolder folder;
  const Set set = generated(folder, options_of("friedman1", 500));
  REQUIRE(set.features == 10);
  for (std::size_t r = 0; r < set.rows; ++r) {
    const double expected = 10 * std::sin(std::numbers::pi * set.at(r, 0) * set.at(r, 1)) +
                            20 * std::pow(set.at(r, 2) - 0.5, 2) + 10 * set.at(r, 3) + 5 * set.at(r, 4);
    CHECK(set.y[r] == static_cast<double>(static_cast<float>(expected)));  // one rounding to float32
    for (std::size_t j = 0; j < set.features; ++j) CHECK((set.at(r, j) >= 0 && set.at(r, j) < 1));
  }
}

TEST_CASE("rosenbrock follows its formula") {
  const testing::TemporaryFolder folder;
  GenerateOptions options = options_of("rosenbrock", 200);
  options.features = 3;
  const Set set = generated(folder, options);
  for (std::size_t r = 0; r < set.rows; ++r) {
    double expected = 0;
    for (std::size_t j = 0; j < 2; ++j)
      expected += 100 * std::pow(set.at(r, j + 1) - std::pow(set.at(r, j), 2), 2) + std::pow(1 - set.at(r, j), 2);
    CHECK(set.y[r] == Approx(expected).epsilon(1e-6));  // float32 keeps 24 bits
    for (std::size_t j = 0; j < 3; ++j) CHECK((set.at(r, j) >= -2 && set.at(r, j) < 2));
  }
}

TEST_CASE("noise changes what it should and nothing else") {
  const testing::TemporaryFolder folder;
  const std::size_t rows = 20'000;
  for (const std::string name : {"friedman1", "rosenbrock", "teacher"}) {
    INFO(name);
    const Set plain = generated(folder, options_of(name, rows));
    const Set noisy = generated(folder, options_of(name, rows, 0.5));
    CHECK(plain.x == noisy.x);
    double sum = 0, squares = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      const double d = noisy.y[r] - plain.y[r];
      sum += d;
      squares += d * d;
    }
    CHECK(std::abs(sum / rows) < 5 * 0.5 / std::sqrt(rows));  // five standard errors
    CHECK(std::sqrt(squares / rows) == Approx(0.5).epsilon(5 / std::sqrt(2.0 * rows)));
  }
  for (const std::string name : {"spirals", "blobs"}) {
    INFO(name);
    const Set plain = generated(folder, options_of(name, 1000));
    const Set noisy = generated(folder, options_of(name, 1000, 0.5));
    CHECK(plain.y == noisy.y);
    CHECK(plain.x != noisy.x);
  }
}

TEST_CASE("spirals are two arms of equal share") {
  const testing::TemporaryFolder folder;
  const Set set = generated(folder, options_of("spirals", 4000));
  std::size_t ones = 0;
  for (std::size_t r = 0; r < set.rows; ++r) {
    REQUIRE((set.y[r] == 0 || set.y[r] == 1));
    const double radius = std::hypot(set.at(r, 0), set.at(r, 1));
    const double angle = 3 * std::numbers::pi * radius + set.y[r] * std::numbers::pi;
    CHECK(set.at(r, 0) == Approx(radius * std::cos(angle)).margin(1e-5));  // float32, and a slope of 3 pi
    CHECK(set.at(r, 1) == Approx(radius * std::sin(angle)).margin(1e-5));
    ones += set.y[r] == 1 ? 1U : 0U;
  }
  CHECK(std::abs(static_cast<double>(ones) - 2000) < 5 * std::sqrt(1000.0));
}

TEST_CASE("class sets store labels and class names, regression sets float32 columns") {
  const testing::TemporaryFolder folder;
  (void)generated(folder, options_of("blobs", 50));
  const h5::File blobs = h5::File::open(folder / "set.h5");
  CHECK(blobs.info("/x").type_name() == "float32");
  CHECK(blobs.info("/y").type_name() == "int32");
  CHECK(blobs.info("/y").shape == std::vector<std::uint64_t>{50});
  CHECK(blobs.strings_attribute("/y", "classes") == std::vector<std::string>{"0", "1", "2"});
  CHECK(blobs.strings_attribute("/x", "names") == std::vector<std::string>{"x0", "x1"});
  (void)generated(folder, options_of("teacher", 50));
  const h5::File teacher = h5::File::open(folder / "set.h5");
  CHECK(teacher.info("/y").type_name() == "float32");
  CHECK(teacher.info("/y").shape == std::vector<std::uint64_t>{50, 1});
}

TEST_CASE("a wide set has no names but all its columns") {
  const testing::TemporaryFolder folder;
  GenerateOptions options = options_of("friedman1", 3);
  options.features = 100'000;
  const Set set = generated(folder, options);
  CHECK(set.features == 100'000);
  CHECK_FALSE(h5::File::open(folder / "set.h5").strings_attribute("/x", "names"));
}

TEST_CASE("generate refuses what a set cannot be") {
  const testing::TemporaryFolder folder;
  const auto refusal = [&](GenerateOptions options) {
    options.output = folder / "set.h5";
    return message_of<ConfigError>([&] { generate(options); });
  };
  CHECK_THAT(refusal(options_of("friedman", 10)), has_text("did you mean friedman1?"));
  CHECK_THAT(refusal(options_of("blobs", 0)), has_text("--rows must be at least 1"));
  CHECK_THAT(refusal(options_of("blobs", 10, -1)), has_text("--noise -1"));
  CHECK_THAT(refusal(options_of("blobs", 10, std::nan(""))), has_text("--noise nan"));
  GenerateOptions options = options_of("friedman1", 10);
  options.features = 4;
  CHECK_THAT(refusal(options), has_text("--features 4: must be from 5"));
  options = options_of("spirals", 10);
  options.features = 3;
  CHECK_THAT(refusal(options), has_text("has 2 features always, not 3"));
  options = options_of("spirals", 10);
  options.output = folder / "absent/set.h5";
  CHECK_THAT(message_of<ConfigError>([&] { generate(options); }), has_text("create it first"));
  CHECK(folder.entries() == 0);
}

}  // namespace gradloom
