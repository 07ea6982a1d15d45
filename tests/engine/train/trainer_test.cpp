#include "gradloom/trainer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "engine/checkpoint/checkpoint.hpp"
#include "engine/io/hdf5.hpp"
#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/regression_samples.hpp"
#include "support/temporary_folder.hpp"
#include "support/throws.hpp"

namespace gradloom {
namespace {

namespace fs = std::filesystem;
using testing::has_text;
using testing::message_of;
using testing::samples;
using testing::TemporaryFolder;

Config small_config() {
  Config config;
  config.model.layers = {{16, Activation::kTanh}, {1, Activation::kLinear}};
  config.train.epochs = 4;
  config.train.batch_size = 48;
  config.train.threads = 2;
  config.optimizer.learning_rate = 0.05;
  config.optimizer.momentum = 0.9;
  return config;
}

struct EpochWatch final : TrainingObserver {
  void on_epoch(const EpochReport& report) override { epochs.push_back(report); }
  void on_warning(const std::string& line) override { warnings.push_back(line); }
  std::vector<EpochReport> epochs;
  std::vector<std::string> warnings;
};

std::string refusal_of_fit(Dataset<double> training, const Dataset<double>* validation = nullptr) {
  return message_of<DataError>([&] { fit<double>(small_config(), std::move(training), validation); });
}

}  // namespace

TEST_CASE("fit returns a model that predicts raw data in the target's units", "[train][threads]") {
  Config config = small_config();
  config.train.epochs = 60;
  config.data.standardize = Standardize::kBoth;
  const auto validation = samples<float>(200, 2);
  const Model<float> model = fit<float>(config, samples<float>(1000, 1), &validation);
  const Matrix<float> prediction = model.predict(validation.x.view());
  double error = 0, spread = 0;
  for (std::size_t r = 0; r < 200; ++r) {
    error += std::pow(prediction(r, 0) - validation.y(r, 0), 2);
    spread += std::pow(validation.y(r, 0) - 3, 2);
  }
  CHECK(error / spread < 0.05);  // the noise alone is 0.01 / 0.85 of the variance
}

TEST_CASE("fit returns the best epoch's model, whatever the checkpoint keys say", "[train][threads]") {
  Config config = small_config();
  config.train.epochs = 12;
  config.optimizer.learning_rate = 0.3;  // rough enough that the last epoch is not the best
  config.checkpoint.keep_best = 0;
  const auto validation = samples<double>(200, 2);
  EpochWatch watch;
  const Model<double> model = fit<double>(config, samples<double>(300, 1), &validation, &watch);
  const auto best = std::min_element(watch.epochs.begin(), watch.epochs.end(),
                                     [](const auto& a, const auto& b) { return a.valid->loss < b.valid->loss; });
  REQUIRE(best->step != watch.epochs.back().step);
  const Matrix<double> prediction = model.predict(validation.x.view());
  double squares = 0;
  for (std::size_t r = 0; r < 200; ++r) squares += std::pow(prediction(r, 0) - validation.y(r, 0), 2);
  CHECK(squares / 200 == Approx(best->valid->loss).epsilon(1e-12));
}

TEST_CASE("fit returns the average of the parameters, of the best epoch", "[train][threads]") {
  Config config = small_config();
  config.train.ema = 0.9;
  config.train.restore_best = true;  // which it does by itself
  const auto validation = samples<double>(200, 2);
  EpochWatch watch;
  const Model<double> model = fit<double>(config, samples<double>(300, 1), &validation, &watch);
  const auto best = std::min_element(watch.epochs.begin(), watch.epochs.end(),
                                     [](const auto& a, const auto& b) { return a.valid->loss < b.valid->loss; });
  const Matrix<double> prediction = model.predict(validation.x.view());
  double squares = 0;
  for (std::size_t r = 0; r < 200; ++r) squares += std::pow(prediction(r, 0) - validation.y(r, 0), 2);
  CHECK(squares / 200 == Approx(best->valid->loss).epsilon(1e-12));
  const Model<double> last = fit<double>(config, samples<double>(300, 1));
  config.train.ema.reset();
  CHECK(last.weight(0)(0, 0) != fit<double>(config, samples<double>(300, 1)).weight(0)(0, 0));
}

TEST_CASE("fit trains with dropout, and its model predicts without", "[train][threads]") {
  Config config = small_config();
  config.model.layers[0].dropout = 0.5;
  const Model<double> model = fit<double>(config, samples<double>(300, 1));
  const Model<double> other = fit<double>(small_config(), samples<double>(300, 1));
  CHECK(model.layers() == config.model.layers);
  CHECK(model.weight(0)(0, 0) != other.weight(0)(0, 0));
  const auto x = samples<double>(20, 2).x;
  const Matrix<double> prediction = model.predict(x.view());
  for (std::size_t r = 0; r < x.rows(); ++r) {
    double output = model.bias(1)(0, 0);
    for (std::size_t u = 0; u < 16; ++u) {
      double z = model.bias(0)(0, u);
      for (std::size_t i = 0; i < 4; ++i) z += model.weight(0)(u, i) * x(r, i);
      output += model.weight(1)(0, u) * std::tanh(z);
    }
    CHECK(prediction(r, 0) == Approx(output).epsilon(1e-12).margin(1e-12));  // sums of 16 terms of size 1
  }
  config.model.layers[1].dropout = 0.5;
  CHECK_THROWS_AS(fit<double>(config, samples<double>(300, 1)), ConfigError);
}

TEST_CASE("fit counts rows by their weights, in training and in validation", "[train][threads]") {
  Config config = small_config();
  config.train.batch_size = 1000;
  // Rows of weight 0 hold what no row of the others would.
  auto training = samples<double>(300, 1), validation = samples<double>(100, 2);
  EpochWatch without, with;
  const Model<double> expected = fit<double>(config, training, &validation, &without);
  for (auto* data : {&training, &validation}) {
    Dataset<double> more = *data;
    more.x = Matrix<double>(data->rows() + 50, 4, 1e3);
    more.y = Matrix<double>(data->rows() + 50, 1, -1e3);
    std::copy_n(data->x.data(), data->rows() * 4, more.x.data());
    std::copy_n(data->y.data(), data->rows(), more.y.data());
    more.weights.assign(data->rows(), 2.5);
    more.weights.resize(more.rows(), 0);
    *data = std::move(more);
  }
  const Model<double> model = fit<double>(config, training, &validation, &with);
  for (std::size_t u = 0; u < 16; ++u)  // additions in another order
    CHECK(model.weight(1)(0, u) == Approx(expected.weight(1)(0, u)).epsilon(1e-10));
  for (std::size_t e = 0; e < 4; ++e) {
    CHECK(with.epochs[e].train_loss == Approx(without.epochs[e].train_loss).epsilon(1e-10));
    CHECK(with.epochs[e].valid->loss == Approx(without.epochs[e].valid->loss).epsilon(1e-10));
    CHECK(*with.epochs[e].valid->value("r2") == Approx(*without.epochs[e].valid->value("r2")).epsilon(1e-10));
  }
}

TEST_CASE("fit refuses data that no file could hold", "[train][threads]") {
  CHECK_THAT(refusal_of_fit({}), has_text("training data"));

  auto short_y = samples<double>(10, 1);
  short_y.y.shrink_rows(9);
  CHECK_THAT(refusal_of_fit(std::move(short_y)), has_text("x is 10 x 4 and y 9 x 1"));

  auto not_a_number = samples<double>(10, 1);
  not_a_number.x(7, 2) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THAT(refusal_of_fit(std::move(not_a_number)), has_text("x row 7, column 2 is nan"));

  auto few_sources = samples<double>(10, 1);
  few_sources.source_rows = {1, 2, 3};
  CHECK_THAT(refusal_of_fit(std::move(few_sources)), has_text("3 source_rows"));

  auto few_weights = samples<double>(10, 1);
  few_weights.weights = {1, 2};
  CHECK_THAT(refusal_of_fit(std::move(few_weights)), has_text("10 rows and 2 weights"));

  auto negative = samples<double>(10, 1);
  negative.weights.assign(10, 1);
  negative.weights[6] = -0.5;
  CHECK_THAT(refusal_of_fit(std::move(negative)), has_text("weight of row 6 is -0.5; a weight is"));

  auto weightless = samples<double>(10, 1);
  weightless.weights.assign(10, 0);
  CHECK_THAT(refusal_of_fit(std::move(weightless)), has_text("all rows have a weight of 0"));
}

TEST_CASE("fit refuses validation data that does not fit", "[train][threads]") {
  const auto refusal = [](Dataset<double> validation) { return refusal_of_fit(samples<double>(10, 1), &validation); };
  CHECK_THAT(refusal({}), has_text("validation data"));

  auto short_y = samples<double>(10, 2);
  short_y.y.shrink_rows(3);
  CHECK_THAT(refusal(std::move(short_y)), has_text("y 3 x 1"));

  auto infinite = samples<double>(10, 2);
  infinite.y(1, 0) = std::numeric_limits<double>::infinity();
  CHECK_THAT(refusal(std::move(infinite)), has_text("y row 1, column 0 is inf"));

  auto narrow = samples<double>(10, 2);
  narrow.x = Matrix<double>(10, 3, 0.5);
  CHECK_THAT(refusal(std::move(narrow)), has_text("3 features"));
}

TEST_CASE("a network that the machine cannot hold is refused before anything is allocated", "[train][threads]") {
  Config config = small_config();
  config.model.layers = {{10'000'000, Activation::kRelu}, {10'000'000, Activation::kRelu}, {1, Activation::kLinear}};
  const std::string message = message_of<ConfigError>([&] { fit<float>(config, samples<float>(50, 1)); });
  CHECK_THAT(message, has_text("model.layer"));
  CHECK_THAT(message, has_text("GiB"));
}

TEST_CASE("fit trains one row, one layer, and networks of 30 layers", "[train][threads]") {
  Config config = small_config();
  config.model.layers = {{1, Activation::kLinear}};
  config.train.batch_size = 1'000'000'000;
  CHECK(fit<double>(config, samples<double>(1, 1)).layers().size() == 1);

  config.model.layers.assign(30, {8, Activation::kTanh});
  config.model.layers.push_back({1, Activation::kLinear});
  config.train.threads = 16;
  const auto validation = samples<double>(600, 2);
  EpochWatch watch;
  const Model<double> deep = fit<double>(config, samples<double>(100, 1), &validation, &watch);
  CHECK(deep.layers().size() == 31);
  CHECK(watch.epochs.back().train_loss < watch.epochs.front().train_loss);
}

namespace {

void write_set(const std::string& path, const Dataset<double>& data) {
  h5::File file = h5::File::create(path);
  const std::array<std::uint64_t, 2> x{data.x.rows(), data.x.cols()}, y{data.y.rows(), data.y.cols()};
  file.write<double>("/x", x, data.x.data());
  file.write<double>("/y", y, data.y.data());
  file.close();
}

// A run folder whose best epoch is not among the newest checkpoints.
struct Run {
  Run() {
    write_set(folder / "data.h5", samples<double>(200, 1));
    write_set(folder / "test.h5", samples<double>(50, 3));
    config = small_config();
    config.run.dir = folder / "run";
    config.data.train = folder / "data.h5";
    config.data.test = folder / "test.h5";
    config.data.valid_fraction = 0.2;
    config.data.standardize = Standardize::kBoth;
    config.train.epochs = 6;
    config.optimizer.learning_rate = 0;  // nothing improves, so the first epoch stays the best
    config.checkpoint.keep_last = 2;
  }
  EndReport go(bool resume) {
    watch = {};
    return train(config, {resume, nullptr, &watch});
  }
  [[nodiscard]] std::string checkpoint(const std::string& name) const { return folder / ("run/checkpoints/" + name); }
  [[nodiscard]] static std::string step(std::uint64_t n) {
    const std::string digits = std::to_string(n);
    return "step-" + std::string(12 - digits.size(), '0') + digits + ".h5";
  }
  static void damage(const std::string& path) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(2000);
    file.put('!');
  }
  TemporaryFolder folder;
  Config config;
  EpochWatch watch;
};

}  // namespace

TEST_CASE("a run outlives a damaged best.h5", "[train][threads]") {
  Run run;
  const EndReport first = run.go(false);
  REQUIRE_FALSE(first.best_checkpoint.empty());
  REQUIRE_FALSE(fs::exists(run.checkpoint(Run::step(read_checkpoint<float>(first.best_checkpoint).progress.step))));
  Run::damage(first.best_checkpoint);
  run.config.train.epochs = 7;
  const EndReport end = run.go(true);
  CHECK(end.test.has_value());
  CHECK(end.epoch == 7);
  CHECK(fs::exists(run.checkpoint("damaged-best.h5")));
  REQUIRE(run.watch.warnings.size() == 1);
  CHECK_THAT(run.watch.warnings.front(), has_text("best.h5: is damaged"));
}

TEST_CASE("a run goes on from best.h5 where it is all that is left", "[train][threads]") {
  Run run;
  const EndReport first = run.go(false);
  const std::uint64_t best = read_checkpoint<float>(first.best_checkpoint).progress.step;
  for (const auto& entry : fs::directory_iterator(run.checkpoint("")))
    if (entry.path().filename().string().starts_with("step-")) Run::damage(entry.path().string());
  run.config.train.max_steps = best;
  const EndReport end = run.go(true);
  CHECK(end.last_checkpoint == run.checkpoint(Run::step(best)));
  CHECK_NOTHROW(verify_checkpoint(end.last_checkpoint));
  CHECK(fs::exists(run.checkpoint("damaged-" + Run::step(first.step))));
}

TEST_CASE("a run whose checkpoints are all damaged starts again and keeps them", "[train][threads]") {
  Run run;
  const EndReport first = run.go(false);
  Run::damage(first.best_checkpoint);
  for (const auto& entry : fs::directory_iterator(run.checkpoint("")))
    if (entry.path().filename().string().starts_with("step-")) Run::damage(entry.path().string());
  const EndReport end = run.go(true);
  CHECK(end.step == first.step);
  CHECK(run.watch.warnings.size() == 3);
  CHECK(fs::exists(run.checkpoint("damaged-" + Run::step(first.step))));
  CHECK_NOTHROW(verify_checkpoint(first.last_checkpoint));
  CHECK_NOTHROW(verify_checkpoint(first.best_checkpoint));
}

TEST_CASE("a run is not resumed with other data of the same shape", "[train][threads]") {
  Run run;
  const EndReport first = run.go(false);
  write_set(run.folder / "data.h5", samples<double>(200, 2));
  const std::string refusal = message_of<DataError>([&] { run.go(true); });
  CHECK_THAT(refusal, has_text(first.last_checkpoint) && has_text("another mean"));
}

TEST_CASE("a run folder whose name the system refuses is a mistake in the config", "[train][threads]") {
  Run run;
  run.config.run.dir = run.folder / std::string(300, 'x');
  CHECK_THAT(message_of<ConfigError>([&] { run.go(false); }), has_text("run.dir"));
}

}  // namespace gradloom
