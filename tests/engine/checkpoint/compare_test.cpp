#include "gradloom/compare.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "engine/checkpoint/format.hpp"
#include "engine/io/durable_file.hpp"
#include "engine/io/hdf5.hpp"
#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/sample_checkpoint.hpp"
#include "support/throws.hpp"

namespace gradloom {
namespace {

using Lines = std::vector<std::string>;
using testing::has_text;
using testing::message_of;
using testing::TemporaryFolder;

template <class T>
void write_checkpoint(const std::string& path, const Checkpoint<T>& c) {
  write_bytes(path, encode_checkpoint(view_of(c)));
}

// The sample against the sample after `change`.
template <class T>
Lines differences_after(const std::function<void(Checkpoint<T>&)>& change) {
  const TemporaryFolder folder;
  Checkpoint<T> c = sample_checkpoint<T>();
  write_checkpoint(folder / "a.h5", c);
  change(c);
  write_checkpoint(folder / "b.h5", c);
  return checkpoint_differences(folder / "a.h5", folder / "b.h5");
}

template <class T>
void flip_last_bit(T& value) {
  std::array<unsigned char, sizeof(T)> bytes;
  std::memcpy(bytes.data(), &value, sizeof value);
  bytes[0] ^= 1;
  std::memcpy(&value, bytes.data(), sizeof value);
}

// A sealed file of nothing but what `fill` writes: what another version of the program may have written.
void write_foreign(const std::string& path, const std::function<void(h5::File&)>& fill) {
  h5::File file = h5::File::create_in_memory();
  fill(file);
  std::vector<std::byte> bytes = file.image(kUserBlockBytes);
  seal(bytes);
  write_bytes(path, bytes);
}

}  // namespace

TEST_CASE("equal checkpoints have no differences, whatever config and environment say", "[compare]") {
  CHECK(differences_after<float>([](auto&) {}).empty());
  CHECK(differences_after<double>([](auto& c) {
          c.config = "[train]\nloss = mae\n";
          c.elapsed_seconds = 99;
        }).empty());
}

TEMPLATE_TEST_CASE("one bit of each tensor is found and named", "[compare]", float, double) {
  using Change = std::function<void(Checkpoint<TestType>&)>;
  const auto parameter = [](auto get) -> Change { return [get](auto& c) { flip_last_bit(get(c)); }; };
  const std::vector<std::pair<std::string, Change>> cases = {
      {"/model/layer_000/weight element 5: ",
       parameter([](auto& c) -> auto& { return c.layout.weight(c.parameters.data(), 0).data[5]; })},
      {"/model/layer_001/bias element 0: ",
       parameter([](auto& c) -> auto& { return c.layout.bias(c.parameters.data(), 1)[0]; })},
      {"/optimizer/layer_001/weight/momentum element 2: ",
       parameter([](auto& c) -> auto& { return c.layout.weight(c.optimizer["momentum"].data(), 1).data[2]; })},
      {"/progress/best_scores element 1: ", parameter([](auto& c) -> auto& { return c.progress.best[1].score; })},
      {"/progress/best_steps element 1: ", parameter([](auto& c) -> auto& { return c.progress.best[1].step; })},
  };
  for (const auto& [name, change] : cases) {
    const Lines lines = differences_after<TestType>(change);
    INFO(name);
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].substr(0, name.size()) == name);
    CHECK_THAT(lines[0], has_text(" against "));
  }
}

TEST_CASE("one bit of each attribute is found and named", "[compare]") {
  const std::vector<std::pair<std::string, std::function<void(Checkpoint<float>&)>>> cases = {
      {"/progress attribute step: 42 against 43", [](auto& c) { flip_last_bit(c.progress.step); }},
      {"/progress attribute seed: 18446744073709551615 against 18446744073709551614",
       [](auto& c) { flip_last_bit(c.progress.seed); }},
      {"/progress attribute epoch_loss_sum: 0.1 against 0.10000000000000002",
       [](auto& c) { c.progress.epoch_loss_sum = std::nextafter(c.progress.epoch_loss_sum, 1); }},
      {"/progress attribute plateau_scale: 0.1 against 0.01", [](auto& c) { c.progress.plateau->scale = 0.01; }},
      {"/progress attribute plateau_bad_epochs: 4 against 5", [](auto& c) { ++c.progress.plateau->bad_epochs; }},
      {"/progress attribute restored_step: only in", [](auto& c) { c.progress.restored_step = 28; }},
      {"/model attribute loss: 'mse' against 'mae'", [](auto& c) { c.loss = Loss::kMae; }},
      {"/model attribute feature_names element 1: 'width' against 'widts'",
       [](auto& c) { c.feature_names[1] = "widts"; }},
      {"/model attribute feature_names: only in", [](auto& c) { c.feature_names.clear(); }},
  };
  for (const auto& [expected, change] : cases) {
    const Lines lines = differences_after<float>(change);
    INFO(expected);
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].substr(0, expected.size()) == expected);
  }
}

TEST_CASE("averages of parameters are compared", "[compare]") {
  const TemporaryFolder folder;
  auto c = sample_checkpoint<float>();
  write_checkpoint(folder / "without.h5", c);
  c.average = c.parameters;
  write_checkpoint(folder / "a.h5", c);
  flip_last_bit(c.layout.bias(c.average.data(), 1)[0]);
  write_checkpoint(folder / "b.h5", c);
  const Lines lines = checkpoint_differences(folder / "a.h5", folder / "b.h5");
  REQUIRE(lines.size() == 1);
  CHECK_THAT(lines[0], has_text("/average/layer_001/bias element 0: "));
  CHECK_THAT(checkpoint_differences(folder / "a.h5", folder / "without.h5").front(), has_text("/average: only in"));
}

TEST_CASE("bits are compared, not values", "[compare]") {
  const TemporaryFolder folder;
  const auto write = [&](const std::string& name, float value) {
    write_foreign(folder / name, [&](h5::File& file) {
      const std::array<std::uint64_t, 1> shape{1};
      file.write<float>("/model/extra", shape, &value);
    });
    return folder / name;
  };
  const std::string zero = write("zero.h5", 0.0F), minus = write("minus.h5", -0.0F);
  CHECK(checkpoint_differences(zero, minus) == Lines{"/model/extra element 0: 0 against -0"});
  float other_nan = std::numeric_limits<float>::quiet_NaN();
  const std::string nan = write("nan.h5", other_nan);
  flip_last_bit(other_nan);
  const std::string payload = write("payload.h5", other_nan);
  CHECK(checkpoint_differences(nan, payload) ==
        Lines{"/model/extra element 0: nan (0x7fc00000) against nan (0x7fc00001)"});
  CHECK(checkpoint_differences(nan, nan).empty());
}

TEST_CASE("several elements of one tensor are a line", "[compare]") {
  const Lines lines = differences_after<float>([](auto& c) {
    for (const std::size_t i : {1, 3, 4}) c.layout.weight(c.parameters.data(), 0).data[i] = 7;
  });
  REQUIRE(lines.size() == 1);
  CHECK_THAT(lines[0], has_text("/model/layer_000/weight element 1: "));
  CHECK_THAT(lines[0], has_text("7; 3 of 6 elements differ"));
}

TEST_CASE("what this program knows nothing of is compared all the same", "[compare]") {
  const TemporaryFolder folder;
  const std::array<std::uint64_t, 1> one{1}, two{2};
  const std::array<std::int32_t, 2> values{-3, 4};
  write_foreign(folder / "a.h5", [&](h5::File& file) {
    file.write<std::int32_t>("/progress/new/deep/counts", two, values.data());
    file.write_attribute("/progress/new", "flag", std::int64_t{-1});
    file.write<std::int32_t>("/model/set-or-group", one, values.data());
    file.create_group("/optimizer/only-here");
    file.create_group("/elsewhere");
  });
  write_foreign(folder / "b.h5", [&](h5::File& file) {
    file.write<std::int32_t>("/progress/new/deep/counts", one, values.data());
    file.write_attribute("/progress/new", "flag", -1.0);
    file.create_group("/model/set-or-group");
  });
  CHECK(checkpoint_differences(folder / "a.h5", folder / "b.h5") ==
        Lines{"/model/set-or-group: a data set against a group", "/optimizer: only in " + (folder / "a.h5"),
              "/optimizer/only-here: only in " + (folder / "a.h5"),
              "/progress/new attribute flag: int64 against float64",
              "/progress/new/deep/counts: shape (2) against (1)"});
}

TEST_CASE("checkpoints of other networks and precisions are told apart", "[compare]") {
  const TemporaryFolder folder;
  write_checkpoint(folder / "a.h5", sample_checkpoint<float>());
  write_checkpoint(folder / "b.h5", sample_checkpoint<double>());
  const Lines lines = checkpoint_differences(folder / "a.h5", folder / "b.h5");
  CHECK(std::count(lines.begin(), lines.end(), "/model/layer_000/weight: float32 against float64") == 1);
  CHECK(std::count(lines.begin(), lines.end(), "/optimizer/layer_001/bias/momentum: float32 against float64") == 1);
}

TEST_CASE("damaged and foreign files are refused by name", "[compare]") {
  const TemporaryFolder folder;
  const std::string good = folder / "good.h5", bad = folder / "bad.h5", foreign = folder / "foreign.h5";
  write_checkpoint(good, sample_checkpoint<float>());
  std::vector<std::byte> bytes = read_file(good);
  bytes[1000] ^= std::byte{1};
  write_bytes(bad, bytes);
  write_bytes(foreign, {});
  CHECK_THAT(message_of<CheckpointError>([&] { checkpoint_differences(good, bad); }), has_text("bad.h5: is damaged"));
  CHECK_THAT(message_of<CheckpointError>([&] { checkpoint_differences(foreign, good); }), has_text("foreign.h5"));
  CHECK_THAT(message_of<FileError>([&] { checkpoint_differences(good, folder / "none.h5"); }), has_text("none.h5"));
}

}  // namespace gradloom
