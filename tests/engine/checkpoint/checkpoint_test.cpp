#include "engine/checkpoint/checkpoint.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>

#include "engine/checkpoint/format.hpp"
#include "engine/io/hdf5.hpp"
#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/sample_checkpoint.hpp"
#include "support/throws.hpp"

namespace gradloom {
namespace {

template <class T>
bool equal(const AlignedBuffer<T>& a, const AlignedBuffer<T>& b) {
  return std::ranges::equal(a.span(), b.span());
}

std::string error_of(const std::string& path) {
  try {
    verify_checkpoint(path);
  } catch (const FileError& error) {
    return error.what();
  }
  return "";
}

// True where the bytes are refused with a CheckpointError; any other exception fails the test.
bool refused(std::span<const std::byte> bytes) {
  try {
    (void)checked_payload(bytes, "file");
  } catch (const CheckpointError&) {
    return true;
  }
  return false;
}

// A sealed checkpoint whose content `spoil` has changed after the rest was written.
std::vector<std::byte> spoiled(const std::function<void(Checkpoint<float>&)>& spoil) {
  Checkpoint<float> c = sample_checkpoint<float>();
  spoil(c);
  return encode_checkpoint(view_of(c));
}

}  // namespace

TEMPLATE_TEST_CASE("a checkpoint comes back as it was written", "[checkpoint]", float, double) {
  const testing::TemporaryFolder folder;
  const auto written = sample_checkpoint<TestType>();
  write_bytes(folder / "c.h5", encode_checkpoint(view_of(written)));
  CHECK(looks_like_checkpoint(folder / "c.h5"));
  CHECK(checkpoint_precision(folder / "c.h5") == (sizeof(TestType) == 4 ? Precision::kFloat32 : Precision::kFloat64));
  const auto read = read_checkpoint<TestType>(folder / "c.h5");
  CHECK(read.layout.inputs() == 2);
  CHECK(read.layout.specs() == written.layout.specs());
  CHECK(read.loss == written.loss);
  CHECK(equal(read.parameters, written.parameters));
  REQUIRE(read.optimizer.size() == 1);
  CHECK(equal(read.optimizer.at("momentum"), written.optimizer.at("momentum")));
  CHECK(read.standardization.x_mean == written.standardization.x_mean);
  CHECK(read.standardization.x_scale == written.standardization.x_scale);
  CHECK(read.standardization.y_mean == written.standardization.y_mean);
  CHECK(read.standardization.y_scale == written.standardization.y_scale);
  CHECK(read.feature_names == written.feature_names);
  CHECK(read.class_names.empty());
  CHECK(read.config == written.config);
  CHECK(read.elapsed_seconds == 12.5);
}

namespace {

// Numbers that no two elements share, also where there is no optimizer state.
Checkpoint<double> numbered_checkpoint(const std::vector<LayerSpec>& layers) {
  Checkpoint<double> c = sample_checkpoint<double>();
  c.layout = ParameterLayout(2, layers);
  c.parameters = c.optimizer["momentum"] = AlignedBuffer<double>(c.layout.size(), 0.0);
  double next = 1;
  for (std::size_t l = 0; l < c.layout.depth(); ++l)
    for (const LayerTensor& tensor : c.layout.layer(l).tensors)
      for (std::size_t i = 0; i < tensor.size(); ++i) {
        c.parameters[tensor.offset + i] = next++;
        if (tensor.learned) c.optimizer["momentum"][tensor.offset + i] = next++;
      }
  return c;
}

}  // namespace

TEST_CASE("learned slopes come back, and of how many units they are", "[checkpoint]") {
  const testing::TemporaryFolder folder;
  using enum Normalization;
  using enum NormPlace;
  const Checkpoint<double> written =
      numbered_checkpoint({{3, Activation::kPrelu, 0.25, kBatchNorm, kBehindActivation, Slopes::kUnits},
                           {2, Activation::kPrelu},
                           {1, Activation::kPrelu, 0, kNone, kBeforeActivation, Slopes::kUnits}});
  write_bytes(folder / "c.h5", encode_checkpoint(view_of(written)));
  const auto read = read_checkpoint<double>(folder / "c.h5");
  CHECK(read.layout.specs() == written.layout.specs());
  CHECK(equal(read.parameters, written.parameters));
  CHECK(equal(read.optimizer.at("momentum"), written.optimizer.at("momentum")));
}

TEST_CASE("normalizations come back with their running averages", "[checkpoint]") {
  const testing::TemporaryFolder folder;
  using enum Normalization;
  using enum NormPlace;
  Checkpoint<double> written = numbered_checkpoint({{3, Activation::kRelu, 0.25, kBatchNorm, kBeforeActivation},
                                                    {2, Activation::kTanh, 0, kLayerNorm, kBehindActivation},
                                                    {1, Activation::kLinear}});
  write_bytes(folder / "c.h5", encode_checkpoint(view_of(written)));
  const auto read = read_checkpoint<double>(folder / "c.h5");
  CHECK(read.layout.specs() == written.layout.specs());
  CHECK(equal(read.parameters, written.parameters));
  CHECK(equal(read.optimizer.at("momentum"), written.optimizer.at("momentum")));
  written.layout.running_var(written.parameters.data(), 0)[1] = -1;
  write_bytes(folder / "c.h5", encode_checkpoint(view_of(written)));
  CHECK(error_of(folder / "c.h5").find("/model/layer_000/running_var holds the variance -1") != std::string::npos);
}

TEST_CASE("every field of the progress comes back", "[checkpoint]") {
  const testing::TemporaryFolder folder;
  const auto written = sample_checkpoint<float>();
  write_bytes(folder / "c.h5", encode_checkpoint(view_of(written)));
  const Progress a = written.progress, b = read_checkpoint<float>(folder / "c.h5").progress;
  CHECK(b.step == a.step);
  CHECK(b.epoch == a.epoch);
  CHECK(b.epoch_step == a.epoch_step);
  CHECK(b.seed == a.seed);
  CHECK(b.samples_seen == a.samples_seen);
  CHECK(b.training_rows == a.training_rows);
  CHECK(b.epoch_loss_sum == a.epoch_loss_sum);
  CHECK(b.epoch_samples == a.epoch_samples);
  CHECK(b.epoch_weight == 96.5);
  REQUIRE(b.best.size() == 2);
  CHECK(b.best[1].score == 0.5);
  CHECK(b.best[1].epoch == 1);
  CHECK(b.best[1].step == 14);
  CHECK(b.patience_score == a.patience_score);
  CHECK(b.patience_used == a.patience_used);
  CHECK(b.learning_rate == a.learning_rate);
  CHECK(b.plateau == PlateauState{0.25, 4, 1, 0.1});
}

TEST_CASE("the state of a plateau comes back, and takes no place where there is none", "[checkpoint]") {
  const testing::TemporaryFolder folder;
  auto written = sample_checkpoint<float>();
  const auto error = [&] {
    write_bytes(folder / "c.h5", encode_checkpoint(view_of(written)));
    return testing::message_of<CheckpointError>([&] { read_checkpoint<float>(folder / "c.h5"); });
  };
  written.progress.plateau.reset();
  CHECK(error() == "(nothing was thrown)");
  CHECK_FALSE(read_checkpoint<float>(folder / "c.h5").progress.plateau);
  CHECK_FALSE(h5::File::open(folder / "c.h5").double_attribute("/progress", "plateau_best"));
  written.progress.plateau = PlateauState{-std::numeric_limits<double>::infinity(), 3, 2, 0.01};
  CHECK(error() == "(nothing was thrown)");
  CHECK(read_checkpoint<float>(folder / "c.h5").progress.plateau == written.progress.plateau);
  written.progress.plateau->scale = 0;
  CHECK(error().find("/progress has a plateau_scale of 0") != std::string::npos);
  written.progress.plateau->scale = std::nan("");
  CHECK(error().find("plateau_scale") != std::string::npos);
  written.progress.plateau = PlateauState{std::nan(""), 0, 0, 1};
  CHECK(error().find("plateau_best") != std::string::npos);
}

TEST_CASE("where rows count alike, their weight is their number, and takes no place", "[checkpoint]") {
  const testing::TemporaryFolder folder;
  auto written = sample_checkpoint<float>();
  written.progress.epoch_weight = 192;
  write_bytes(folder / "c.h5", encode_checkpoint(view_of(written)));
  CHECK(read_checkpoint<float>(folder / "c.h5").progress.epoch_weight == 192);
  const h5::File file = h5::File::open(folder / "c.h5");
  CHECK_FALSE(file.double_attribute("/progress", "epoch_weight"));
  CHECK_FALSE(file.exists("/preprocessing/class_weights"));
}

TEST_CASE("class weights come back, one for each class", "[checkpoint]") {
  const testing::TemporaryFolder folder;
  auto written = sample_checkpoint<float>();
  const auto error = [&] {
    write_bytes(folder / "c.h5", encode_checkpoint(view_of(written)));
    return testing::message_of<CheckpointError>([&] { read_checkpoint<float>(folder / "c.h5"); });
  };
  written.class_weights = {0.5, 2};
  CHECK(error().find("/preprocessing/class_weights belongs to no model") != std::string::npos);
  written.loss = Loss::kBinaryCrossEntropy;
  written.standardization = {};
  CHECK(error() == "(nothing was thrown)");
  CHECK(read_checkpoint<float>(folder / "c.h5").class_weights == written.class_weights);
  written.class_weights = {0.5, 0};
  CHECK(error().find("class_weights holds 0 as its element 1") != std::string::npos);
  written.class_weights = {1, 2, 3};
  CHECK(error().find("class_weights has shape (3)") != std::string::npos);
}

TEST_CASE("an average of the parameters comes back, and takes no place where there is none", "[checkpoint]") {
  const testing::TemporaryFolder folder;
  auto written = sample_checkpoint<double>();
  write_bytes(folder / "c.h5", encode_checkpoint(view_of(written)));
  auto read = read_checkpoint<double>(folder / "c.h5");
  CHECK(read.average.size() == 0);
  CHECK(&read.judged() == &read.parameters);
  CHECK_FALSE(h5::File::open(folder / "c.h5").exists("/average"));
  written.average = written.optimizer["momentum"];
  write_bytes(folder / "c.h5", encode_checkpoint(view_of(written)));
  read = read_checkpoint<double>(folder / "c.h5");
  CHECK(equal(read.parameters, written.parameters));
  CHECK(equal(read.average, written.average));
  CHECK(&read.judged() == &read.average);
  written.average[0] = std::nan("");
  write_bytes(folder / "c.h5", encode_checkpoint(view_of(written)));
  CHECK(testing::message_of<CheckpointError>([&] {
          read_checkpoint<double>(folder / "c.h5");
        }).find("/average/layer_000/weight holds nan") != std::string::npos);
}

TEST_CASE("smoothed labels and a restored step come back, where there are any", "[checkpoint]") {
  const testing::TemporaryFolder folder;
  auto written = sample_checkpoint<float>();
  const auto error = [&] {
    write_bytes(folder / "c.h5", encode_checkpoint(view_of(written)));
    return testing::message_of<CheckpointError>([&] { read_checkpoint<float>(folder / "c.h5"); });
  };
  CHECK(error() == "(nothing was thrown)");
  CHECK_FALSE(h5::File::open(folder / "c.h5").double_attribute("/model", "label_smoothing"));
  CHECK_FALSE(read_checkpoint<float>(folder / "c.h5").progress.restored_step);
  written.label_smoothing = 0.1;
  CHECK(error().find("/model has a label_smoothing of 0.1 for mse") != std::string::npos);
  written.loss = Loss::kBinaryCrossEntropy;
  written.standardization = {};
  written.progress.restored_step = 28;
  CHECK(error() == "(nothing was thrown)");
  CHECK(read_checkpoint<float>(folder / "c.h5").label_smoothing == 0.1);
  CHECK(read_checkpoint<float>(folder / "c.h5").progress.restored_step == 28);
  written.label_smoothing = 1;
  CHECK(error().find("/model has a label_smoothing of 1 for binary-cross-entropy") != std::string::npos);
}

TEST_CASE("a checkpoint before the first step, of plain SGD, comes back", "[checkpoint]") {
  const testing::TemporaryFolder folder;
  auto written = sample_checkpoint<double>();
  written.optimizer.clear();
  written.progress = {};
  written.standardization = {};
  written.feature_names.clear();
  written.class_names = {"no", "yes"};
  written.config.clear();
  write_bytes(folder / "c.h5", encode_checkpoint(view_of(written)));
  const auto read = read_checkpoint<double>(folder / "c.h5");
  CHECK(read.optimizer.empty());
  CHECK(read.progress.best.empty());
  CHECK_FALSE(read.standardization.features());
  CHECK_FALSE(read.standardization.targets());
  CHECK(read.class_names == written.class_names);
  CHECK(read.config.empty());
}

TEST_CASE("equal content gives equal bytes", "[checkpoint]") {
  const auto c = sample_checkpoint<float>();
  const auto first = encode_checkpoint(view_of(c));
  const std::vector<char> other_heap(123457, 'x');  // what memory held before must not show
  CHECK(first == encode_checkpoint(view_of(c)));
  CHECK(other_heap.back() == 'x');
}

TEST_CASE("every flipped bit of a whole checkpoint is found", "[checkpoint]") {
  auto bytes = encode_checkpoint(view_of(sample_checkpoint<float>()));
  CHECK_FALSE(refused(bytes));
  std::size_t unnoticed = 0;
  for (std::byte& byte : bytes)
    for (unsigned bit = 0; bit < 8; ++bit) {
      const auto flip = static_cast<std::byte>(1U << bit);
      byte ^= flip;
      unnoticed += refused(bytes) ? 0 : 1;
      byte ^= flip;
    }
  CHECK(unnoticed == 0);
  CHECK_FALSE(refused(bytes));
}

TEST_CASE("a checkpoint cut anywhere is found, and one that is longer", "[checkpoint]") {
  const auto bytes = encode_checkpoint(view_of(sample_checkpoint<double>()));
  std::size_t unnoticed = 0;
  for (std::size_t length = 0; length < bytes.size(); ++length)
    unnoticed += refused(std::span(bytes).first(length)) ? 0 : 1;
  auto longer = bytes;
  longer.push_back(std::byte{0});
  unnoticed += refused(longer) ? 0 : 1;
  CHECK(unnoticed == 0);
}

TEST_CASE("damaged, foreign and missing files are told apart", "[checkpoint]") {
  const testing::TemporaryFolder folder;
  const auto bytes = encode_checkpoint(view_of(sample_checkpoint<float>()));
  const auto error_with = [&](const std::vector<std::byte>& content) {
    write_bytes(folder / "c.h5", content);
    return error_of(folder / "c.h5");
  };
  CHECK(error_with({}).find("is not a checkpoint") != std::string::npos);
  CHECK(error_with(std::vector<std::byte>(2000)).find("is not a checkpoint") != std::string::npos);
  CHECK(error_with({bytes.begin(), bytes.begin() + 700}).find("cut short") != std::string::npos);
  CHECK(error_with({bytes.begin(), bytes.begin() + 100}).find("cut short") != std::string::npos);
  CHECK(error_with({bytes.begin() + 512, bytes.end()}).find("is not a checkpoint") != std::string::npos);
  CHECK_FALSE(looks_like_checkpoint(folder / "c.h5"));
  CHECK(error_of(folder / "absent.h5").find("No such file") != std::string::npos);
  CHECK_FALSE(looks_like_checkpoint(folder / "absent.h5"));
  auto flipped = bytes;
  flipped[900] ^= std::byte{1};
  CHECK(error_with(flipped).find("checksum") != std::string::npos);
  auto newer = bytes;
  newer[8] = std::byte{2};
  CHECK(error_with(newer).find("format version 2") != std::string::npos);
  std::fill_n(flipped.begin(), 8, std::byte{0});
  CHECK(error_with(flipped).find("damaged") != std::string::npos);
  CHECK(looks_like_checkpoint(folder / "c.h5"));
  std::fill_n(flipped.begin(), kUserBlockBytes, std::byte{0});  // as h5py leaves a user block of its own
  CHECK(error_with(flipped).find("is not a checkpoint") != std::string::npos);
  CHECK_FALSE(looks_like_checkpoint(folder / "c.h5"));
}

TEST_CASE("content that does not fit together is refused", "[checkpoint]") {
  const testing::TemporaryFolder folder;
  const auto error_with = [&](const std::function<void(Checkpoint<float>&)>& spoil) {
    write_bytes(folder / "c.h5", spoiled(spoil));
    return error_of(folder / "c.h5");
  };
  CHECK(error_with([](auto& c) {
          c.parameters[0] = std::numeric_limits<float>::quiet_NaN();
        }).find("/model/layer_000/weight holds nan") != std::string::npos);
  CHECK(error_with([](auto& c) {
          c.optimizer["momentum"][0] = std::numeric_limits<float>::infinity();
        }).find("/optimizer/layer_000/weight/momentum") != std::string::npos);
  CHECK(error_with([](auto& c) { c.standardization.x_mean.push_back(1); }).find("x_mean has shape (3)") !=
        std::string::npos);
  CHECK(error_with([](auto& c) { c.standardization.y_scale[0] = 0; }).find("y_scale holds 0") != std::string::npos);
  CHECK(error_with([](auto& c) { c.feature_names.pop_back(); }).find("1 feature names for 2 inputs") !=
        std::string::npos);
  CHECK(error_with([](auto&) {}).empty());
  CHECK_THROWS_AS(read_checkpoint<double>(folder / "c.h5"), CheckpointError);
}

TEST_CASE("a sealed file of another structure is refused", "[checkpoint]") {
  const testing::TemporaryFolder folder;
  const auto error_with = [&](const std::function<void(h5::File&)>& fill) {
    h5::File file = h5::File::create_in_memory();
    fill(file);
    std::vector<std::byte> bytes = file.image(kUserBlockBytes);
    seal(bytes);
    write_bytes(folder / "c.h5", bytes);
    return error_of(folder / "c.h5");
  };
  const std::vector<float> values(6, 1);
  const std::array<std::uint64_t, 2> weight{3, 2};
  const std::array<std::uint64_t, 1> bias{3};
  CHECK(error_with([](h5::File&) {}).find("/model") != std::string::npos);
  const auto model = [&](h5::File& file, std::uint64_t inputs, const std::string& activation) {
    file.write<float>("/model/layer_000/weight", weight, values.data());
    file.write<float>("/model/layer_000/bias", bias, values.data());
    file.write_attribute("/model", "inputs", inputs);
    file.write_attribute("/model/layer_000", "activation", activation);
  };
  const auto with_dropout = [&](double dropout) {
    return error_with([&](h5::File& f) {
      model(f, 2, "relu");
      f.write_attribute("/model/layer_000", "dropout", dropout);
    });
  };
  CHECK(with_dropout(1).find("has a dropout of 1") != std::string::npos);
  CHECK(with_dropout(-0.5).find("has a dropout of -0.5") != std::string::npos);
  CHECK(with_dropout(std::numeric_limits<double>::quiet_NaN()).find("has a dropout of nan") != std::string::npos);
  CHECK(with_dropout(0.5).find("is the output layer and has dropout") != std::string::npos);
  const auto with_norm = [&](const std::string& norm, const std::string& place) {
    return error_with([&](h5::File& f) {
      model(f, 2, "relu");
      f.write_attribute("/model/layer_000", "normalization", norm);
      f.write_attribute("/model/layer_000", "norm_place", place);
    });
  };
  CHECK(with_norm("norm", "before-activation").find("unknown normalization 'norm'") != std::string::npos);
  CHECK(with_norm("batch-norm", "there").find("unknown norm_place 'there'") != std::string::npos);
  CHECK(with_norm("layer-norm", "behind-activation").find("output layer and has a norm") != std::string::npos);
  const auto with_slopes = [&](const char* slopes) {
    return error_with([&](h5::File& f) {
      model(f, 2, "prelu");
      if (slopes != nullptr) f.write_attribute("/model/layer_000", "slopes", std::string(slopes));
      f.write_attribute("/model", "loss", std::string("mse"));
    });
  };
  CHECK(with_slopes(nullptr).find("attribute slopes") != std::string::npos);
  CHECK(with_slopes("2").find("unknown slopes '2'") != std::string::npos);
  CHECK(with_slopes("units").find("/model/layer_000/slope") != std::string::npos);
  CHECK(error_with([&](h5::File& f) { model(f, 4, "relu"); }).find("has shape (3, 2) where (3, 4) is expected") !=
        std::string::npos);
  CHECK(error_with([&](h5::File& f) { model(f, 2, "rolu"); }).find("unknown activation 'rolu'") != std::string::npos);
  CHECK(error_with([&](h5::File& f) { model(f, 2, "relu"); }).find("attribute loss") != std::string::npos);
}

}  // namespace gradloom
