#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <sstream>

#include "engine/io/hdf5.hpp"
#include "gradloom/errors.hpp"
#include "gradloom/evaluation.hpp"
#include "gradloom/model.hpp"
#include "support/catch.hpp"
#include "support/sample_checkpoint.hpp"

namespace gradloom {
namespace {

constexpr std::size_t kRows = 700;  // more than one block

double feature(std::size_t row, std::size_t col) { return std::sin(static_cast<double>(3 * row + 2 * col)); }

template <class T>
void write_matrix(h5::File& file, const std::string& path, const Matrix<T>& values) {
  const std::array<std::uint64_t, 2> shape{values.rows(), values.cols()};
  file.write<T>(path, shape, values.data());
}

// A data set file with `cols` features, and targets unless `targets` is empty.
void write_data(const std::string& path, std::size_t cols, const Matrix<double>& targets) {
  Matrix<double> x(kRows, cols);
  for (std::size_t r = 0; r < kRows; ++r)
    for (std::size_t c = 0; c < cols; ++c) x(r, c) = feature(r, c);
  h5::File file = h5::File::create(path);
  write_matrix(file, "/x", x);
  if (targets.rows() != 0) write_matrix(file, "/y", targets);
  file.close();
}

void write_checkpoint(const std::string& path, const Checkpoint<double>& c) {
  write_bytes(path, encode_checkpoint(view_of(c)));
}

Checkpoint<double> regression() {
  auto c = sample_checkpoint<double>();
  c.config.clear();
  return c;
}

// A 2-3 softmax classifier.
Checkpoint<double> classifier(std::vector<std::string> classes) {
  auto c = regression();
  const std::vector<LayerSpec> layers = {{3, Activation::kLinear}};
  c.layout = ParameterLayout(2, layers);
  c.loss = Loss::kCategoricalCrossEntropy;
  c.parameters = AlignedBuffer<double>(c.layout.size(), 0.0);
  c.parameters[0] = 2;   // class 0 follows x0
  c.parameters[3] = -1;  // class 1 follows -x1
  c.optimizer.clear();
  c.standardization = {};
  c.class_names = std::move(classes);
  return c;
}

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("predictions of a file are the model's, in HDF5 and in CSV", "[evaluate_files][threads]") {
  const testing::TemporaryFolder folder;
  write_checkpoint(folder / "c.h5", regression());
  write_data(folder / "data.h5", 2, {});
  REQUIRE(predict(folder / "c.h5", folder / "data.h5", folder / "p.h5", {.threads = 2}) == kRows);
  REQUIRE(predict(folder / "c.h5", folder / "data.h5", folder / "p.csv", {.threads = 1}) == kRows);
  const h5::File file = h5::File::open(folder / "p.h5");
  CHECK(file.info("/prediction").type_name() == "float64");
  CHECK_FALSE(file.exists("/label"));
  Matrix<double> p(kRows, 1), x(kRows, 2);
  file.read_rows<double>("/prediction", 0, p.view());
  h5::File::open(folder / "data.h5").read_rows<double>("/x", 0, x.view());
  const Matrix<double> expected = Model<double>::load(folder / "c.h5").predict(x.view());
  CHECK(std::equal(p.data(), p.data() + kRows, expected.data()));
  const std::vector<std::string> lines = lines_of(folder / "p.csv");
  REQUIRE(lines.size() == kRows + 1);
  CHECK(lines[0] == "prediction");
  bool equal = true;
  for (std::size_t r = 0; r < kRows; ++r) equal = equal && std::stod(lines[r + 1]) == p(r, 0);
  CHECK(equal);
}

TEST_CASE("a classifier writes probabilities and labels", "[evaluate_files][threads]") {
  const testing::TemporaryFolder folder;
  write_checkpoint(folder / "c.h5", classifier({"red", "green, light", "blue"}));
  write_data(folder / "data.h5", 2, {});
  predict(folder / "c.h5", folder / "data.h5", folder / "p.h5");
  predict(folder / "c.h5", folder / "data.h5", folder / "p.csv");
  const h5::File file = h5::File::open(folder / "p.h5");
  CHECK(file.info("/label").shape == std::vector<std::uint64_t>{kRows});
  CHECK(file.info("/label").type_name() == "int32");
  CHECK(file.strings_attribute("/label", "classes") == std::vector<std::string>{"red", "green, light", "blue"});
  Matrix<double> p(kRows, 3);
  Matrix<std::int64_t> label(kRows, 1);
  file.read_rows<double>("/prediction", 0, p.view());
  file.read_rows<std::int64_t>("/label", 0, label.view());
  std::size_t wrong = 0;
  for (std::size_t r = 0; r < kRows; ++r) {
    const double logits[3] = {2 * feature(r, 0), -feature(r, 1), 0};
    const auto likeliest = std::max_element(logits, logits + 3) - logits;
    wrong += label(r, 0) == likeliest ? 0 : 1;
    wrong += std::abs(p(r, 0) + p(r, 1) + p(r, 2) - 1) < 1e-14 ? 0 : 1;
  }
  CHECK(wrong == 0);
  const std::vector<std::string> lines = lines_of(folder / "p.csv");
  CHECK(lines[0] == "p_red,\"p_green, light\",p_blue,label");
  CHECK(lines[1].ends_with(label(0, 0) == 1 ? "\"green, light\"" : label(0, 0) == 0 ? ",red" : ",blue"));
}

TEST_CASE("a binary classifier's probability is that of class 1", "[evaluate_files][threads]") {
  const testing::TemporaryFolder folder;
  auto c = classifier({});
  const std::vector<LayerSpec> layers = {{1, Activation::kLinear}};
  c.layout = ParameterLayout(2, layers);
  c.parameters = AlignedBuffer<double>(c.layout.size(), 0.0);
  c.parameters[0] = 1;
  c.loss = Loss::kBinaryCrossEntropy;
  write_checkpoint(folder / "c.h5", c);
  Matrix<double> y(kRows, 1);
  for (std::size_t r = 0; r < kRows; ++r) y(r, 0) = feature(r, 0) > 0 ? 1 : 0;
  write_data(folder / "data.h5", 2, y);
  CHECK(*evaluate(folder / "c.h5", folder / "data.h5").value("accuracy") == 1);
  predict(folder / "c.h5", folder / "data.h5", folder / "p.csv");
  const std::vector<std::string> lines = lines_of(folder / "p.csv");
  CHECK(lines[0] == "p_1,label");
  CHECK(lines[1] == "0.5,0");  // feature(0, 0) = 0: a probability of one half is not over it
}

TEST_CASE("evaluation restores units and reads several files as one", "[evaluate_files][threads]") {
  const testing::TemporaryFolder folder;
  write_checkpoint(folder / "c.h5", regression());
  write_data(folder / "data.h5", 2, {});
  predict(folder / "c.h5", folder / "data.h5", folder / "p.h5");
  Matrix<double> y(kRows, 1);
  h5::File::open(folder / "p.h5").read_rows<double>("/prediction", 0, y.view());
  for (std::size_t r = 0; r < kRows; ++r) y(r, 0) += r % 2 == 0 ? 3 : -3;
  write_data(folder / "data.h5", 2, y);
  const Metrics one = evaluate(folder / "c.h5", folder / "data.h5", {.threads = 1});
  CHECK(one.rows == kRows);
  CHECK(*one.value("mae") == Approx(3).epsilon(1e-12));
  CHECK(*one.value("rmse") == Approx(3).epsilon(1e-12));
  CHECK(one.loss == Approx(9.0 / 25).epsilon(1e-12));  // y_scale is 5
  const Metrics two = evaluate(folder / "c.h5", folder / "data.h5" + " " + folder / "data.h5", {.threads = 4});
  CHECK(two.rows == 2 * kRows);
  CHECK(two.loss == Approx(one.loss).epsilon(1e-12));
}

TEST_CASE("what cannot be evaluated or predicted is refused with its place", "[evaluate_files][threads]") {
  const testing::TemporaryFolder folder;
  write_checkpoint(folder / "c.h5", regression());
  write_data(folder / "wide.h5", 5, Matrix<double>(kRows, 1, 0.0));
  write_data(folder / "bare.h5", 2, {});
  write_data(folder / "two.h5", 2, Matrix<double>(kRows, 2, 0.0));
  try {
    evaluate(folder / "c.h5", folder / "wide.h5");
    FAIL("five features are not two");
  } catch (const DataError& error) {
    CHECK(std::string(error.what()).find("has 5 features") != std::string::npos);
    CHECK(std::string(error.what()).find("takes 2") != std::string::npos);
  }
  CHECK_THROWS_AS(evaluate(folder / "c.h5", folder / "bare.h5"), DataError);
  CHECK_THROWS_AS(evaluate(folder / "c.h5", folder / "two.h5"), DataError);
  CHECK_THROWS_AS(evaluate(folder / "c.h5", folder / "absent.h5"), ConfigError);
  CHECK_THROWS_AS(evaluate(folder / "bare.h5", folder / "bare.h5"), CheckpointError);
  CHECK_THROWS_AS(predict(folder / "c.h5", folder / "bare.h5", folder / "p.txt"), ConfigError);
  CHECK_THROWS_AS(predict(folder / "c.h5", folder / "bare.h5", folder / "no/p.h5"), FileError);
  CHECK_THROWS_AS(predict(folder / "c.h5", folder / "bare.h5", folder / "no/p.csv"), FileError);
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    CHECK(entry.path().filename().string().find(".tmp-") == std::string::npos);
}

TEST_CASE("predictions replace neither their sources nor what is no file", "[evaluate_files][threads]") {
  const testing::TemporaryFolder folder;
  write_checkpoint(folder / "c.h5", regression());
  write_data(folder / "data.h5", 2, {});
  std::filesystem::create_symlink(folder / "data.h5", folder / "link.h5");
  std::filesystem::create_directory(folder / "folder.csv");
  for (const char* output : {"c.h5", "data.h5", "link.h5", "folder.csv"}) {
    INFO(output);
    CHECK_THROWS_AS(predict(folder / "c.h5", folder / "data.h5", folder / output), ConfigError);
  }
  CHECK(h5::File::open(folder / "data.h5").exists("/x"));
}

}  // namespace gradloom
