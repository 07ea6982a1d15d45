#include "gradloom/config.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "engine/config/schedule_keys.hpp"
#include "engine/core/random.hpp"
#include "gradloom/errors.hpp"
#include "support/catch.hpp"

using namespace gradloom;

namespace {

const std::string kMinimal =
    "[data]\n"
    "train = d.h5\n"
    "[model]\n"
    "layer = 30 sigmoid\n"
    "layer = 1 linear\n"
    "[train]\n"
    "loss = mse\n";  // 7 lines: what a test appends starts at line 8

std::string message_of(const std::string& text) {
  try {
    parse_config(text, "c.ini");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

/// A config file in a folder of its own, gone with the object.
class TemporaryFile {
 public:
  TemporaryFile(const std::string& name, const std::string& content)
      : folder_(std::filesystem::temp_directory_path() / fmt::format("gradloom-config-test-{}", ::getpid())),
        path_(folder_ / name) {
    std::filesystem::create_directories(folder_);
    std::ofstream(path_, std::ios::binary) << content;
  }
  ~TemporaryFile() { std::filesystem::remove_all(folder_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path folder_, path_;
};

/// The error of a file of the minimal config with these overrides.
std::string override_message(const std::vector<std::string>& overrides) {
  const TemporaryFile file("quick.ini", kMinimal);
  try {
    load_config(file.path(), overrides);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

auto Contains(const std::string& text) {
#if GRADLOOM_CATCH_MAJOR >= 3
  return Catch::Matchers::ContainsSubstring(text);
#else
  return Catch::Matchers::Contains(text);
#endif
}

}  // namespace

TEST_CASE("A minimal config takes the contract's defaults", "[config]") {
  const Config config = parse_config(kMinimal, "c.ini");
  CHECK(config.data.train == "d.h5");
  CHECK(config.model.layers == std::vector<LayerSpec>{{30, Activation::kSigmoid}, {1, Activation::kLinear}});
  CHECK(config.train.loss == Loss::kMse);
  CHECK(config.train.epochs == 10);
  CHECK(config.train.batch_size == 256);
  CHECK(config.train.seed == 1);
  CHECK(config.train.threads == 0);
  CHECK_FALSE(config.train.max_steps);
  CHECK(config.optimizer.learning_rate == 0.01);
  CHECK(config.checkpoint.every_epochs == 1U);
  CHECK(config.checkpoint.keep_last == 3);
  CHECK_FALSE(config.early_stopping.patience);
  CHECK(config.data.valid.empty());
  CHECK(config.origins.at("train.loss") == "c.ini:7");
  CHECK(config.origins.at("model.layer") == "c.ini:4");
  CHECK(config.origins.at("train.epochs") == "default");
}

TEST_CASE("Every kind of value is read", "[config]") {
  const Config config = parse_config(kMinimal +
                                         "max-steps = 12 # a comment\n"
                                         "max-minutes = 0.5\n"
                                         "threads = 4\n"
                                         "seed = 18446744073709551615\n"
                                         "[data]\n"
                                         "memory = 512MiB\n"
                                         "valid-fraction = 1e-1\n"
                                         "[optimizer]\r\n"
                                         "  momentum=0.9\r\n"
                                         "nesterov = true\n"
                                         "[checkpoint]\n"
                                         "every-epochs = none\n"
                                         "[early-stopping]\n"
                                         "patience = 3\n"
                                         "monitor = valid_r2\n",
                                     "c.ini");
  CHECK(config.train.max_steps == 12U);
  CHECK(config.train.max_minutes == 0.5);
  CHECK(config.train.threads == 4);
  CHECK(config.train.seed == 18446744073709551615ULL);
  CHECK(config.data.memory == 512ULL << 20);
  CHECK(config.data.valid_fraction == 0.1);
  CHECK(config.optimizer.momentum == 0.9);
  CHECK(config.optimizer.nesterov);
  CHECK_FALSE(config.checkpoint.every_epochs);
  CHECK(config.early_stopping.patience == 3U);
  CHECK(to_string(config.early_stopping.monitor) == "valid_r2");
}

TEST_CASE("Class weights are a word or a list", "[config]") {
  const std::string classes =
      "[data]\ntrain = d.h5\n[model]\nlayer = 3 linear\n[train]\nloss = categorical-cross-entropy\n";
  CHECK(parse_config(classes + "class-weights = none\n", "c.ini").train.class_weights.values.empty());
  CHECK(parse_config(classes + "class-weights = balanced\n", "c.ini").train.class_weights.balanced);
  const Config listed = parse_config(classes + "class-weights = 0.1, 2 ,1e100\n", "c.ini");
  CHECK(listed.train.class_weights.values == std::vector<double>{0.1, 2, 1e100});
  CHECK(parse_config(resolved_text(listed), "again").train.class_weights.values == listed.train.class_weights.values);
  for (const char* wrong : {"", ",", "1,2", "1,2,", "1,,2", "1,2,0", "1,2,-1", "1,2,inf", "1,2,1e101", "1;2;3"})
    CHECK_THAT(message_of(classes + "class-weights = " + wrong + "\n"), Contains("train.class-weights"));
  CHECK_THAT(message_of(kMinimal + "class-weights = balanced\n"),
             Contains("c.ini:8: train.class-weights = balanced: needs rows of one class each"));
}

TEST_CASE("Dotted keys outside a section and a byte order mark are read", "[config]") {
  const Config config = parse_config("\xef\xbb\xbftrain.epochs = 3\n" + kMinimal, "c.ini");
  CHECK(config.train.epochs == 3);
}

TEST_CASE("A wrong line is refused with its place and what is allowed", "[config]") {
  struct Case {
    std::string line;
    std::vector<std::string> fragments;
  };
  const std::vector<Case> cases = {
      {"epoch = 3", {"c.ini:8: ", "unknown key train.epoch", "did you mean train.epochs?"}},
      {"momentum = 1", {"c.ini:8: ", "train.momentum", "did you mean optimizer.momentum?"}},
      {"frobnicate = 1", {"c.ini:8: ", "train.frobnicate", "gradloom help config"}},
      {"loss = mae", {"c.ini:8: train.loss", "set twice", "c.ini:7"}},
      {"epochs = ten", {"c.ini:8: train.epochs = ten: must be an integer >= 0"}},
      {"epochs = -1", {"must be an integer >= 0"}},
      {"epochs = 1.5", {"must be an integer >= 0"}},
      {"epochs = +1", {"must be an integer >= 0"}},
      {"epochs = 99999999999999999999", {"must be an integer >= 0"}},
      {"epochs =", {"c.ini:8: train.epochs = : must be"}},
      {"epochs = 3 4", {"must be an integer >= 0"}},
      {"batch-size = 0", {"train.batch-size = 0: must be an integer from 1 to 1000000000"}},
      {"threads = 0", {"must be auto, or an integer from 1 to 640"}},
      {"threads = many", {"must be auto, or an integer from 1 to 640"}},
      {"max-minutes = -1", {"must be none, or a number >= 0"}},
      {"max-minutes = nan", {"must be none, or a number >= 0"}},
      {"epochs 3", {"c.ini:8: 'epochs 3' is not `key = value`"}},
      {"= 3", {"c.ini:8: '= 3' is not `key = value`"}},
      {"[optimizer", {"c.ini:8: '[optimizer' is not a section"}},
      {"[]", {"c.ini:8: '[]' is not a section"}},
      {"[optimiser]", {"c.ini:8: unknown section [optimiser] (did you mean optimizer?)", "data"}},
      {"[optimizer]\nlearning-rate = inf", {"c.ini:9: optimizer.learning-rate = inf: must be a number >= 0"}},
      {"[optimizer]\nlearning-rate = -0.1", {"must be a number >= 0"}},
      {"[optimizer]\nlearning-rate = 1e999", {"must be a number >= 0"}},
      {"[optimizer]\ntype = sdg", {"must be one of sgd", "did you mean sgd?"}},
      {"[optimizer]\nmomentum = 0.9\nnesterov = yes", {"c.ini:10: ", "must be true or false"}},
      {"[data]\nvalid-fraction = 1", {"must be a number >= 0 and < 1"}},
      {"[data]\nmemory = 5 parsecs", {"512MiB"}},
      {"[data]\nmemory = 0", {"512MiB"}},
      {"[data]\nmemory = 99999999TiB", {"512MiB"}},
      {"[data]\nfeatures =", {"must be a name, and not empty"}},
      {"[data]\nshuffle = windows", {"must be one of full, window, none", "did you mean window?"}},
      {"[model]\nlayer = 30",
       {"c.ini:9: model.layer = 30: must be `UNITS [NORM] ACTIVATION [NORM] [dropout=P] [slopes=units]`"}},
      {"[model]\nlayer = 0 relu", {"UNITS must be an integer from 1 to 10000000"}},
      {"[model]\nlayer = 99999999 relu", {"UNITS must be"}},
      {"[model]\nlayer = -3 relu", {"UNITS must be"}},
      {"[model]\nlayer = relu 30", {"UNITS must be"}},
      {"[model]\nlayer = 30 reul", {"ACTIVATION must be one of linear, sigmoid", "did you mean relu?"}},
      {"[model]\nlayer = 30 relu drpout=0.2", {"'drpout=0.2' is not known", "did you mean dropout?"}},
      {"[model]\nlayer = 30 relu 0.2", {"'0.2' is not known", "`256 relu dropout=0.2`"}},
      {"[model]\nlayer = 30 relu dropout=1", {"P of dropout=P must be a number >= 0 and < 1"}},
      {"[model]\nlayer = 30 relu dropout=-0.1", {"P of dropout=P must be a number >= 0 and < 1"}},
      {"[model]\nlayer = 30 relu dropout=nan", {"P of dropout=P must be"}},
      {"[model]\nlayer = 30 relu dropout=20%", {"P of dropout=P must be"}},
      {"[model]\nlayer = 30 relu dropout", {"P of dropout=P must be"}},
      {"[model]\nlayer = 30 relu dropout=0.1 dropout=0.2", {"dropout is set twice"}},
      {"[model]\nlayer = 30 relu slopes=units", {"slopes belong to prelu; relu learns none"}},
      {"[model]\nlayer = 30 leaky-relu slopes=1", {"slopes belong to prelu; leaky-relu learns none"}},
      {"[model]\nlayer = 30 prelu slopes=2", {"slopes must be one of 1, units"}},
      {"[model]\nlayer = 30 prelu slopes", {"slopes must be one of 1, units"}},
      {"[model]\nlayer = 30 prelu slopes=units dropout=0.1 slopes=units", {"slopes is set twice"}},
      {"[model]\nlayer = 30 prelu slops=units", {"'slops=units' is not known", "did you mean slopes?"}},
      {"[model]\nlayer = 30 prleu", {"softsign, prelu", "did you mean prelu?"}},
      {"[model]\nlayer = 30 batch-norm", {"ACTIVATION must be one of linear"}},
      {"[model]\nlayer = 30 none relu", {"ACTIVATION must be one of linear"}},
      {"[model]\nlayer = 30 batch-norm relu layer-norm", {"'layer-norm' is a second normalization"}},
      {"[model]\nlayer = 30 relu batch-norm batch-norm", {"'batch-norm' cannot stand here"}},
      {"[model]\nlayer = 30 relu dropout=0.1 layer-norm", {"'layer-norm' cannot stand here"}},
      {"[model]\nlayer = 30 relu batchnorm", {"'batchnorm' is not known", "did you mean batch-norm?"}},
  };
  for (const Case& c : cases) {
    const std::string message = message_of(kMinimal + c.line + "\n");
    CAPTURE(c.line, message);
    for (const std::string& fragment : c.fragments) CHECK(message.find(fragment) != std::string::npos);
    CHECK(message.find('\n') == std::string::npos);
  }
}

TEST_CASE("A misspelt loss is met with the nearest one", "[config]") {
  const std::string message = message_of("[train]\nloss = mes\n");
  CHECK_THAT(message, Contains("c.ini:2: train.loss = mes: ") && Contains("did you mean mse?") &&
                          Contains("categorical-cross-entropy"));
}

TEST_CASE("Required keys are named with an example", "[config]") {
  CHECK_THAT(message_of(""), Contains("c.ini: data.train is missing") && Contains("train = data/train.h5"));
  CHECK_THAT(message_of("[data]\ntrain=d.h5\n"), Contains("model.layer is missing") && Contains("layer = 30 sigmoid"));
  CHECK_THAT(message_of("[data]\ntrain=d.h5\n[model]\nlayer = 1 linear\n"),
             Contains("train.loss is missing") && Contains("loss = mse"));
}

TEST_CASE("Rules between keys name the line of the key", "[config]") {
  CHECK_THAT(message_of(kMinimal + "[optimizer]\nnesterov = true\n"),
             Contains("c.ini:9: optimizer.nesterov = true: needs optimizer.momentum > 0"));
  CHECK_THAT(message_of(kMinimal + "[data]\nvalid = v.h5\nvalid-fraction = 0.2\n"),
             Contains("c.ini:10: data.valid-fraction = 0.2: data.valid"));
  CHECK_THAT(message_of(kMinimal + "[early-stopping]\npatience = 2\n"),
             Contains("c.ini:9: ") && Contains("valid_loss needs validation rows"));
  CHECK(message_of(kMinimal + "[early-stopping]\npatience = 2\nmonitor = train_loss\n").empty());
  CHECK_THAT(message_of(kMinimal + "[early-stopping]\nmonitor = valid_accuracy\n"),
             Contains("mse has no accuracy: mse has: mse, rmse, mae, r2, max_error, pinball"));

  CHECK_THAT(message_of("[data]\ntrain = d.h5\n[model]\nlayer = 8 relu dropout=0.5\nlayer = 1 linear dropout=0.1\n"
                        "[train]\nloss = mse\n"),
             Contains("c.ini:4: model.layer = 8 relu dropout=0.5 | 1 linear dropout=0.1: dropout on the last layer"));

  const std::string classes = "[data]\ntrain = d.h5\n[train]\nloss = categorical-cross-entropy\n[model]\n";
  CHECK(message_of(classes + "layer = 3 linear\n").empty());
  CHECK_THAT(message_of(classes + "layer = 3 relu\n"),
             Contains("c.ini:4: train.loss") && Contains("must be `3 linear`, not `3 relu`"));
  CHECK_THAT(message_of(classes + "layer = 1 linear\n"), Contains("at least 2 units"));
  CHECK_THAT(message_of(classes + "layer = 3 linear\n[data]\nstandardize = both\n"),
             Contains("data.standardize = both") && Contains("labels"));
  CHECK_THAT(message_of(classes + "layer = 3 linear\n[early-stopping]\nmonitor = valid_rmse\n"),
             Contains("categorical-cross-entropy has no rmse: "));
}

TEST_CASE("Restored epochs, smoothed labels and averages", "[config]") {
  const std::string validated = kMinimal + "restore-best = true\n[data]\nvalid-fraction = 0.2\n";
  CHECK(message_of(validated).empty());
  CHECK_THAT(message_of(validated + "[checkpoint]\nkeep-best = 0\n"),
             Contains("c.ini:8: train.restore-best = true: with checkpoint.keep-best = 0"));
  CHECK_THAT(message_of(kMinimal + "restore-best = true\n"), Contains("valid_loss needs validation rows"));
  CHECK(message_of(kMinimal + "restore-best = true\n[early-stopping]\nmonitor = train_loss\n").empty());

  CHECK_THAT(message_of(kMinimal + "label-smoothing = 0.1\n"),
             Contains("c.ini:8: train.label-smoothing = 0.1: mse has no labels"));
  CHECK_THAT(message_of(kMinimal + "label-smoothing = 1\n"), Contains("must be a number >= 0 and < 1"));
  const std::string classes =
      "[data]\ntrain = d.h5\n[model]\nlayer = 3 linear\n[train]\nloss = categorical-cross-entropy\n";
  CHECK(parse_config(classes + "label-smoothing = 0.1\n", "c.ini").train.label_smoothing == 0.1);

  CHECK(parse_config(kMinimal + "ema = 0.999\n", "c.ini").train.ema == 0.999);
  CHECK_FALSE(parse_config(kMinimal + "ema = none\n", "c.ini").train.ema);
  for (const char* wrong : {"0", "1", "-0.1", "some"})
    CHECK_THAT(message_of(kMinimal + "ema = " + wrong + "\n"), Contains("must be none, or a number > 0 and < 1"));
}

TEST_CASE("A key that the schedule does not use is refused where it is set", "[config]") {
  const auto message = [](const std::string& lines) { return message_of(kMinimal + "[schedule]\n" + lines); };
  CHECK_THAT(message("type = cosine\nstep-size = 3\n"),
             Contains("c.ini:10: schedule.step-size = 3: schedule.type = cosine does not use it, step does"));
  CHECK_THAT(message("min-learning-rate = 0\n"), Contains("constant does not use it, cosine or polynomial or plateau"));
  const std::string defaults = resolved_text(Config{});
  const std::map<std::string, std::string> values = {{"unit", "epoch"},
                                                     {"milestones", "3,9"},
                                                     {"anneal", "linear"},
                                                     {"three-phase", "true"},
                                                     {"threshold-mode", "absolute"},
                                                     {"gamma", "0.5"},
                                                     {"factor", "0.5"},
                                                     {"rise-fraction", "0.5"},
                                                     {"threshold", "0.5"},
                                                     {"min-learning-rate", "0.001"}};
  std::size_t keys = 0;
  for (const ScheduleKey& key : schedule_keys()) {
    const std::string name = key.option.name();
    const auto value = values.find(name);
    const std::string line = name + " = " + (value != values.end() ? value->second : "2") + "\n";
    const std::string others = name == "period-factor" ? "period = 7\n" : "";
    for (const std::string& type : enum_names<ScheduleType>()) {
      CAPTURE(type, line);
      const bool used = std::ranges::count(key.used_by, *from_string<ScheduleType>(type)) > 0;
      const std::string rest = used ? others : "";
      const std::string text = "type = " + type + "\n" + line + rest + "[data]\nvalid = v.h5\n";
      CHECK(message(text).empty() == used);
      CHECK(message("type = " + type + "\n" + name + " = auto\n[data]\nvalid = v.h5\n").empty());
    }
    CHECK_THAT(defaults, Contains("\n" + name + " = auto "));
    ++keys;
  }
  CHECK(keys == 19);
}

TEST_CASE("Rules between the keys of a schedule", "[config]") {
  const auto message = [](const std::string& lines) { return message_of(kMinimal + "[schedule]\n" + lines); };
  CHECK_THAT(message("type = plateau\n"), Contains("c.ini:9: schedule.type = plateau: follows valid_loss"));
  CHECK(message("type = plateau\n[early-stopping]\nmonitor = train_loss\n").empty());
  CHECK(message("type = plateau\n[data]\nvalid-fraction = 0.1\n").empty());
  CHECK_THAT(message("type = plateau\nunit = step\n[data]\nvalid = v.h5\n"), Contains("c.ini:10: schedule.unit"));
  CHECK_THAT(message("type = plateau\nthreshold = 1\n[data]\nvalid = v.h5\n"), Contains("must be below 1"));
  CHECK(message("type = plateau\nthreshold = 1\nthreshold-mode = absolute\n[data]\nvalid = v.h5\n").empty());
  CHECK_THAT(message("type = cosine\nperiod = 4\nlength = 9\n"), Contains("c.ini:11: schedule.length = 9"));
  CHECK_THAT(message("type = cosine\nperiod-factor = 2\n"), Contains("c.ini:10") && Contains("schedule.period"));
  CHECK_THAT(message("type = one-cycle\nthree-phase = true\nrise-fraction = 0.6\n"), Contains("at most 0.5"));
  CHECK_THAT(message("type = polynomial\nmin-learning-rate = 0.02\n"),
             Contains("above optimizer.learning-rate = 0.01"));
  for (const char* wrong : {"milestones = 3,3", "milestones = 0", "milestones = 3,", "milestones = ,",
                            "milestones =", "milestones = 4,2", "milestones = 1.5", "milestones = -1"})
    CHECK_THAT(message(std::string("type = multistep\n") + wrong + "\n"), Contains("auto, or rising integers >= 1"));
  CHECK(parse_config(kMinimal + "[schedule]\ntype = multistep\nmilestones = 3, 10,11\n", "c.ini").schedule.milestones ==
        std::vector<std::uint64_t>{3, 10, 11});
  CHECK_THAT(message("type = exponential\ngamma = 1.5\n"), Contains("must be auto, or a number > 0 and <= 1"));
  CHECK_THAT(message("type = one-cycle\nanneal = cos\n"), Contains("must be auto, or one of cosine, linear"));
  CHECK_THAT(message("type = cosin\n"), Contains("did you mean cosine?"));
}

TEST_CASE("A schedule survives the resolved text", "[config]") {
  const std::string text = kMinimal +
                           "[schedule]\ntype = one-cycle\nunit = epoch\nlength = 18446744073709551615\n"
                           "rise-fraction = 0.1\ninitial-divisor = 3\nfinal-divisor = 7\nanneal = linear\n"
                           "three-phase = false\n";
  const Config config = parse_config(text, "c.ini");
  const Config::Schedule again = parse_config(resolved_text(config), "resolved").schedule;
  CHECK(again.type == ScheduleType::kOneCycle);
  CHECK(again.unit == ScheduleUnit::kEpoch);
  CHECK(again.length == std::numeric_limits<std::uint64_t>::max());
  CHECK(again.rise_fraction == 0.1);
  CHECK(again.initial_divisor == 3);
  CHECK(again.final_divisor == 7);
  CHECK(again.anneal == Anneal::kLinear);
  CHECK(again.three_phase == false);
  CHECK_FALSE(again.gamma);
  const Config other = parse_config(kMinimal + "[schedule]\ntype = step\n", "c.ini");
  CHECK_NOTHROW(require_resumable(config, other));  // what is still to come may take another schedule
}

TEST_CASE("Configs built in code meet the same ranges", "[config]") {
  Config config;
  CHECK_THROWS_WITH(validate(config), Contains("model.layer is missing"));
  config.model.layers = {{1, Activation::kLinear}};
  CHECK_NOTHROW(validate(config));
  config.early_stopping.patience = 3;  // data in memory: validation rows are not the config's business
  CHECK_NOTHROW(validate(config));
  config.optimizer.learning_rate = -1;
  CHECK_THROWS_WITH(validate(config), Contains("optimizer.learning-rate = -1: must be a number >= 0"));
  config.optimizer.learning_rate = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(validate(config), ConfigError);
  config.optimizer.learning_rate = 0.1;
  config.train.batch_size = 0;
  CHECK_THROWS_WITH(validate(config), Contains("train.batch-size = 0"));
  config.train.batch_size = 1;
  config.model.layers = {{2, Activation::kRelu, 1.5}, {1, Activation::kLinear}};
  CHECK_THROWS_WITH(validate(config), Contains("model.layer = 2 relu dropout=1.5"));
  config.model.layers[0].dropout = 0.5;
  CHECK_NOTHROW(validate(config));
  config.data.train = "a#b.h5";  // would not survive the resolved config
  CHECK_THROWS_WITH(validate(config), Contains("without '#'"));
}

TEST_CASE("The command line wins over the file", "[config]") {
  const TemporaryFile file("quick.ini", kMinimal + "epochs = 5\nthreads = 2\n[checkpoint]\nevery-steps = 3\n");
  const Config config = load_config(file.path(), {"train.epochs=7", "train.threads=auto", "checkpoint.every-steps=none",
                                                  "optimizer.learning-rate=1e-3"});
  CHECK(config.name == "quick");
  CHECK(config.run.dir == "runs/quick");
  CHECK(config.train.epochs == 7);
  CHECK(config.train.threads == 0);
  CHECK_FALSE(config.checkpoint.every_steps);
  CHECK(config.optimizer.learning_rate == 1e-3);
  CHECK(config.model.layers.size() == 2);
  CHECK(config.origins.at("train.epochs") == "command line");
  CHECK(config.origins.at("train.loss") == file.path() + ":7");
  CHECK_THAT(resolved_text(config), Contains("epochs = 7") && Contains("# command line") &&
                                        Contains("dir = runs/quick") && Contains("# default"));
}

TEST_CASE("Layers of the command line replace the file's", "[config]") {
  const TemporaryFile file("quick.ini", kMinimal);
  const Config config = load_config(file.path(), {"model.layer=5 tanh dropout=0.2", "model.layer=1 linear"});
  CHECK(config.model.layers == std::vector<LayerSpec>{{5, Activation::kTanh, 0.2}, {1, Activation::kLinear}});
  CHECK(config.origins.at("model.layer") == "command line");
}

TEST_CASE("A layer's words are read in the order of its functions", "[config]") {
  const TemporaryFile file("quick.ini", kMinimal);
  const Config config =
      load_config(file.path(), {"model.layer=5 batch-norm relu dropout=0.2", "model.layer=6 tanh layer-norm",
                                "model.layer=7 layer-norm gelu", "model.layer=1 linear"});
  const std::vector<LayerSpec> expected = {
      {5, Activation::kRelu, 0.2, Normalization::kBatchNorm, NormPlace::kBeforeActivation},
      {6, Activation::kTanh, 0, Normalization::kLayerNorm, NormPlace::kBehindActivation},
      {7, Activation::kGelu, 0, Normalization::kLayerNorm, NormPlace::kBeforeActivation},
      {1, Activation::kLinear}};
  CHECK(config.model.layers == expected);
  CHECK_THAT(resolved_text(config), Contains("layer = 5 batch-norm relu dropout=0.2") &&
                                        Contains("layer = 6 tanh layer-norm") && Contains("layer = 7 layer-norm gelu"));
}

TEST_CASE("Slopes stand beside dropout, in any order", "[config]") {
  const TemporaryFile file("quick.ini", kMinimal);
  const Config config =
      load_config(file.path(), {"model.layer=5 prelu slopes=units", "model.layer=6 prelu dropout=0.5 slopes=units",
                                "model.layer=7 batch-norm prelu slopes=1", "model.layer=1 prelu slopes=units"});
  using enum Normalization;
  using enum NormPlace;
  const std::vector<LayerSpec> expected = {{5, Activation::kPrelu, 0, kNone, kBeforeActivation, Slopes::kUnits},
                                           {6, Activation::kPrelu, 0.5, kNone, kBeforeActivation, Slopes::kUnits},
                                           {7, Activation::kPrelu, 0, kBatchNorm, kBeforeActivation, Slopes::kOne},
                                           {1, Activation::kPrelu, 0, kNone, kBeforeActivation, Slopes::kUnits}};
  CHECK(config.model.layers == expected);
  const std::string text = resolved_text(config);
  CHECK_THAT(text, Contains("layer = 5 prelu slopes=units") && Contains("layer = 6 prelu slopes=units dropout=0.5") &&
                       Contains("layer = 7 batch-norm prelu ") && Contains("layer = 1 prelu slopes=units"));
  CHECK(parse_config(text, "resolved").model.layers == expected);
}

TEST_CASE("Slopes of a config built in code belong to prelu too", "[config]") {
  Config config = parse_config(kMinimal, "c.ini");
  config.model.layers[0].slopes = Slopes::kUnits;
  CHECK_THROWS_WITH(validate(config), Contains("model.layer") && Contains("slopes belong to prelu"));
}

TEST_CASE("Wrong overrides are refused", "[config]") {
  CHECK_THAT(override_message({"train.epoch=3"}),
             Contains("command line: unknown key train.epoch") && Contains("did you mean train.epochs?"));
  CHECK_THAT(override_message({"train.epochs"}), Contains("--train.epochs=VALUE"));
  CHECK_THAT(override_message({"train.epochs=x"}), Contains("command line: train.epochs = x: must be an integer"));
  CHECK_THAT(override_message({"train.epochs=1", "train.epochs=2"}), Contains("set twice"));
  CHECK_THAT(override_message({"run.dir=a#b"}), Contains("without '#'"));
}

TEST_CASE("Texts that would not read back from the resolved config are refused", "[config]") {
  // Found by fuzzing: a run was started whose checkpoints' config could not be read.
  for (const char* text : {"3\v", "a\x01z", "a\nb", "a\x7f", "a\t", "\ta", " a"})
    CHECK_THAT(override_message({std::string("run.dir=") + text}),
               Contains("without '#', control characters, or blanks"));
  CHECK(override_message({"run.dir=a\tb"}).empty());
}

TEST_CASE("Files that are no config are refused", "[config]") {
  CHECK_THROWS_WITH(load_config("/nonexistent/x.ini"), Contains("/nonexistent/x.ini") && Contains("no such file"));
  CHECK_THROWS_AS(load_config("/tmp"), ConfigError);
  const TemporaryFile binary("b.ini", std::string("\x89HDF\r\n\x1a\n\0\0", 10));
  CHECK_THROWS_WITH(load_config(binary.path()), Contains("not a text file"));
  const TemporaryFile huge("h.ini", std::string(3 << 20, '\n'));
  CHECK_THROWS_WITH(load_config(huge.path()), Contains("too large"));
}

TEST_CASE("The resolved text holds every key once and reads back the same", "[config]") {
  const Config config = parse_config(kMinimal, "c.ini");
  const std::string text = resolved_text(config);
  const Config again = parse_config(text, "resolved");
  CHECK(again.run.dir == config.run.dir);
  CHECK_NOTHROW(require_resumable(config, again));
  for (const char* key : {"prefetch = auto", "momentum = 0", "warmup-steps = 0", "patience = none", "memory = auto"})
    CHECK_THAT(text, Contains(key));
}

TEST_CASE("Random configs survive the resolved text bit by bit", "[config]") {
  const CounterRandom random(7, RandomUse::kGenerator);
  const auto activations = enum_names<Activation>();
  for (std::uint64_t trial = 0; trial < 200; ++trial) {
    std::uint64_t counter = trial << 16;
    const auto draw = [&](std::uint64_t below) { return random.bits(counter++) % below; };
    Config c;
    c.data.train = fmt::format("a{}.h5 b*.h5", draw(1000));
    for (std::uint64_t l = 0; l <= draw(5); ++l)
      c.model.layers.push_back({1 + draw(5000), *from_string<Activation>(activations[draw(activations.size())]),
                                draw(2) ? random.uniform(counter++) : 0});
    for (LayerSpec& layer : c.model.layers) {
      layer.normalization = *from_string<Normalization>(enum_names<Normalization>()[draw(3)]);
      if (layer.normalization != Normalization::kNone && draw(2)) layer.norm_place = NormPlace::kBehindActivation;
      if (layer.activation == Activation::kPrelu && draw(2)) layer.slopes = Slopes::kUnits;
    }
    c.model.layers.back() = {c.model.layers.back().units, c.model.layers.back().activation};
    c.data.memory = draw(2) ? random.bits(counter++) >> draw(60) : draw(100) << 20;
    c.data.valid_fraction = random.uniform(counter++);
    c.train.seed = random.bits(counter++);
    c.train.batch_size = 1 + draw(100000);
    c.train.max_minutes = draw(2) ? std::optional(random.uniform(counter++) * 1e6 + 1e-9) : std::nullopt;
    c.train.max_steps = draw(2) ? std::optional(random.bits(counter++)) : std::nullopt;
    c.optimizer.learning_rate = std::exp(40 * random.normal(counter++));
    c.optimizer.momentum = random.uniform(counter++);
    c.optimizer.nesterov = draw(2) && c.optimizer.momentum > 0;
    c.optimizer.l1 = random.uniform(counter++);
    c.optimizer.decay_biases = draw(2);
    c.optimizer.clip_grad_norm = draw(2) ? std::optional(random.uniform(counter++) + 1e-9) : std::nullopt;
    c.checkpoint.every_epochs = draw(2) ? std::optional(1 + draw(9)) : std::nullopt;
    c.early_stopping.min_delta = random.uniform(counter++) * 1e-12;
    const Config r = parse_config(resolved_text(c), "resolved");
    CHECK(r.data.train == c.data.train);
    CHECK(r.model.layers == c.model.layers);
    CHECK(r.data.memory == c.data.memory);
    CHECK(r.data.valid_fraction == c.data.valid_fraction);
    CHECK(r.train.seed == c.train.seed);
    CHECK(r.train.batch_size == c.train.batch_size);
    CHECK(r.train.max_minutes == c.train.max_minutes);
    CHECK(r.train.max_steps == c.train.max_steps);
    CHECK(r.optimizer.learning_rate == c.optimizer.learning_rate);
    CHECK(r.optimizer.momentum == c.optimizer.momentum);
    CHECK(r.optimizer.nesterov == c.optimizer.nesterov);
    CHECK(r.optimizer.l1 == c.optimizer.l1);
    CHECK(r.optimizer.decay_biases == c.optimizer.decay_biases);
    CHECK(r.optimizer.clip_grad_norm == c.optimizer.clip_grad_norm);
    CHECK(r.checkpoint.every_epochs == c.checkpoint.every_epochs);
    CHECK(r.early_stopping.min_delta == c.early_stopping.min_delta);
  }
}

TEST_CASE("A resume may change how long and how fast, not what", "[config]") {
  const Config before = parse_config(kMinimal, "c.ini");
  const Config free =
      parse_config(kMinimal +
                       "epochs = 99\nthreads = 3\nlog-every = 7\nmax-steps = 5\n[run]\ndir = elsewhere\n"
                       "[optimizer]\nlearning-rate = 1\nweight-decay = 0.1\nl1 = 0.1\ndecay-biases = false\n"
                       "clip-grad-norm = 1\nclip-grad-value = 1\n[data]\nmemory = 1GiB\n"
                       "[checkpoint]\nkeep-last = 9\n",
                   "c.ini");
  CHECK_NOTHROW(require_resumable(before, free));
  for (const char* line : {"batch-size = 3", "seed = 2", "ema = 0.9", "shard-rows = 8", "[optimizer]\nmomentum = 0.1",
                           "[optimizer]\ntype = adam", "[optimizer]\ntype = rmsprop", "[data]\nshuffle = none",
                           "[data]\nweights = w", "[model]\nprecision = float64", "[model]\nlayer = 1 linear",
                           "[model]\nlayer = 30 sigmoid batch-norm\nlayer = 1 linear",
                           "[model]\nlayer = 30 sigmoid dropout=0.1\nlayer = 1 linear"}) {
    const Config changed = parse_config(kMinimal + line + "\n", "c.ini");
    CAPTURE(line);
    CHECK_THROWS_AS(require_resumable(before, changed), ConfigError);
  }
  const Config seed = parse_config(kMinimal + "seed = 2\n", "c.ini");
  CHECK_THROWS_WITH(require_resumable(before, seed), Contains("c.ini:8: train.seed = 2") && Contains("trained with 1"));
}

TEST_CASE("Each update rule holds its own constants to a resume", "[config]") {
  for (const auto& [type, keys] :
       {std::pair{"sgd\nmomentum = 0.5", std::vector{"dampening = 0.5", "nesterov = true"}},
        std::pair{"adam", std::vector{"beta1 = 0.5", "beta2 = 0.5", "epsilon = 0.001"}},
        std::pair{"rmsprop", std::vector{"alpha = 0.5", "centered = true", "momentum = 0.5", "epsilon = 0.001"}},
        std::pair{"adagrad", std::vector{"initial-accumulator-value = 0.5", "epsilon = 0.001"}}})
    for (const std::string key : keys) {
      CAPTURE(type, key);
      const std::string text = kMinimal + "[optimizer]\ntype = " + type + "\n";
      const Config changed = parse_config(text + key + "\n", "c.ini");
      CHECK_NOTHROW(require_resumable(changed, changed));
      CHECK_THROWS_WITH(require_resumable(parse_config(text, "c.ini"), changed),
                        Contains("optimizer." + key.substr(0, key.find(' '))) && Contains("was trained with"));
    }
  const std::string adagrad = kMinimal + "[optimizer]\ntype = adagrad\n";
  CHECK_NOTHROW(require_resumable(parse_config(adagrad, "c.ini"), parse_config(adagrad + "lr-decay = 0.5\n", "c.ini")));
}

TEST_CASE("A key of another update rule is refused, its default is not", "[config]") {
  const auto parse = [](const std::string& lines) { return parse_config(kMinimal + "[optimizer]\n" + lines, "c.ini"); };
  const std::vector<std::pair<const char*, std::vector<std::string>>> unused = {
      {"sgd",
       {"beta1 = 0.5", "beta2 = 0.5", "epsilon = 0.001", "alpha = 0.5", "centered = true", "lr-decay = 1",
        "initial-accumulator-value = 1"}},
      {"adam", {"momentum = 0.5", "dampening = 0.5", "nesterov = true", "alpha = 0.5", "centered = true"}},
      {"adamw", {"momentum = 0.5", "lr-decay = 1"}},
      {"rmsprop", {"dampening = 0.5", "nesterov = true", "beta1 = 0.5", "initial-accumulator-value = 1"}},
      {"adagrad", {"momentum = 0.5", "beta2 = 0.5", "alpha = 0.5"}}};
  for (const auto& [type, keys] : unused)
    for (const std::string& key : keys) {
      CAPTURE(type, key);
      CHECK_THROWS_WITH(parse(std::string("type = ") + type + "\n" + key + "\n"),
                        Contains("c.ini:10: optimizer." + key) &&
                            Contains(std::string("optimizer.type = ") + type + " does not use it"));
    }
  CHECK_NOTHROW(parse("type = adam\nmomentum = 0\nnesterov = false\nalpha = 0.99\nlr-decay = 0\n"));
  CHECK_NOTHROW(parse("epsilon = auto\nbeta1 = 0.9\n"));
  CHECK_THROWS_WITH(parse("dampening = 0.5\n"), Contains("needs optimizer.momentum > 0"));
  CHECK_THROWS_WITH(parse("momentum = 0.5\nnesterov = true\ndampening = 0.5\n"), Contains("needs it to be 0"));
  for (const char* line : {"clip-grad-norm = 0", "clip-grad-value = 0", "clip-grad-norm = inf", "l1 = -1",
                           "type = adam\nbeta1 = 1", "type = adam\nepsilon = 0", "type = rmsprop\nalpha = 1",
                           "momentum = 1\ndampening = 2", "type = adagrad\ninitial-accumulator-value = -1"}) {
    CAPTURE(line);
    CHECK_THROWS_WITH(parse(std::string(line) + "\n"), Contains("must be"));
  }
  CHECK_THROWS_WITH(parse("type = adan\n"), Contains("one of sgd, adam, adamw, rmsprop, adagrad"));
}

TEST_CASE("The help names every key with its default", "[config]") {
  const std::string help = config_help();
  CHECK_THAT(help, Contains("[optimizer]") && Contains("learning-rate") && Contains("default 0.01") &&
                       Contains("runs/<config name>") && Contains("required, such as mse"));
}
