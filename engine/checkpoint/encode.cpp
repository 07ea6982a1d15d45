#include <array>

#include "engine/checkpoint/checkpoint.hpp"
#include "engine/checkpoint/environment.hpp"
#include "engine/checkpoint/format.hpp"
#include "engine/checkpoint/paths.hpp"
#include "engine/core/parallel.hpp"
#include "engine/io/hdf5.hpp"

namespace gradloom {
namespace {

template <class T>
void write_vector(h5::File& file, const std::string& path, const std::vector<T>& values) {
  const std::array<std::uint64_t, 1> shape{values.size()};
  file.write<T>(path, shape, values.data());
}

template <class T>
void write_weight(h5::File& file, const std::string& path, MatrixView<const T> weight) {
  const std::array<std::uint64_t, 2> shape{weight.rows, weight.cols};
  file.write<T>(path, shape, weight.data);
}

template <class T>
void write_bias(h5::File& file, const std::string& path, std::span<const T> bias) {
  const std::array<std::uint64_t, 1> shape{bias.size()};
  file.write<T>(path, shape, bias.data());
}

template <class T>
void write_model(h5::File& file, const CheckpointView<T>& view) {
  const ParameterLayout& layout = *view.layout;
  file.create_group(paths::kModel);
  file.write_attribute(paths::kModel, "inputs", std::uint64_t{layout.inputs()});
  file.write_attribute(paths::kModel, "loss", std::string(to_string(view.loss)));
  if (!view.feature_names->empty()) file.write_attribute(paths::kModel, "feature_names", *view.feature_names);
  if (!view.class_names->empty()) file.write_attribute(paths::kModel, "class_names", *view.class_names);
  for (std::size_t l = 0; l < layout.depth(); ++l) {
    file.create_group(paths::layer(l));
    file.write_attribute(paths::layer(l), "activation", std::string(to_string(layout.layer(l).activation)));
    if (layout.layer(l).dropout > 0) file.write_attribute(paths::layer(l), "dropout", layout.layer(l).dropout);
    write_weight<T>(file, paths::weight(l), layout.weight(view.parameters, l));
    write_bias<T>(file, paths::bias(l), layout.bias(view.parameters, l));
  }
}

template <class T>
void write_optimizer(h5::File& file, const CheckpointView<T>& view) {
  file.create_group(paths::kOptimizer);
  for (const auto& [name, block] : view.optimizer)
    for (std::size_t l = 0; l < view.layout->depth(); ++l) {
      write_weight<T>(file, paths::weight_state(l, name), view.layout->weight(block, l));
      write_bias<T>(file, paths::bias_state(l, name), view.layout->bias(block, l));
    }
}

void write_best(h5::File& file, const std::vector<BestEpoch>& best) {
  std::vector<double> scores;
  std::vector<std::uint64_t> epochs, steps;
  for (const BestEpoch& b : best) {
    scores.push_back(b.score);
    epochs.push_back(b.epoch);
    steps.push_back(b.step);
  }
  write_vector(file, paths::kBestScores, scores);
  write_vector(file, paths::kBestEpochs, epochs);
  write_vector(file, paths::kBestSteps, steps);
  if (best.empty()) return;
  // The best of all once more, where people look first. Not read back.
  file.write_attribute(paths::kProgress, "best_score", best.front().score);
  file.write_attribute(paths::kProgress, "best_epoch", best.front().epoch);
  file.write_attribute(paths::kProgress, "best_step", best.front().step);
}

void write_progress(h5::File& file, const Progress& progress) {
  file.create_group(paths::kProgress);
  const auto attribute = [&](const char* name, auto value) { file.write_attribute(paths::kProgress, name, value); };
  attribute("step", progress.step);
  attribute("epoch", progress.epoch);
  attribute("epoch_step", progress.epoch_step);
  attribute("seed", progress.seed);
  attribute("samples_seen", progress.samples_seen);
  attribute("training_rows", progress.training_rows);
  attribute("epoch_loss_sum", progress.epoch_loss_sum);
  attribute("epoch_samples", progress.epoch_samples);
  attribute("patience_score", progress.patience_score);
  attribute("patience_used", progress.patience_used);
  attribute("rollbacks", progress.rollbacks);
  attribute("learning_rate", progress.learning_rate);
  write_best(file, progress.best);
}

void write_preprocessing(h5::File& file, const Standardization& s) {
  file.create_group(paths::kPreprocessing);
  if (s.features()) {
    write_vector(file, paths::kXMean, s.x_mean);
    write_vector(file, paths::kXScale, s.x_scale);
  }
  if (s.targets()) {
    write_vector(file, paths::kYMean, s.y_mean);
    write_vector(file, paths::kYScale, s.y_scale);
  }
}

void write_environment(h5::File& file, double elapsed_seconds) {
  const Environment environment = current_environment();
  file.create_group(paths::kEnvironment);
  const auto attribute = [&](const char* name, const std::string& value) {
    file.write_attribute(paths::kEnvironment, name, value);
  };
  attribute("gradloom", environment.gradloom);
  attribute("blas", environment.blas);
  attribute("blas_core_type", environment.blas_core_type);
  attribute("instruction_set", environment.instruction_set);
  attribute("hdf5", h5::version());
  attribute("tbb", tbb_version());
  file.write_attribute(paths::kEnvironment, "elapsed_seconds", elapsed_seconds);
}

}  // namespace

std::uint64_t checkpoint_bytes(const ParameterLayout& layout, std::size_t optimizer_states, std::size_t element_bytes) {
  constexpr std::uint64_t kSmallThings = 64 << 10;  // config, progress, moments, HDF5's own
  return (1 + optimizer_states) * layout.parameter_count() * element_bytes + kSmallThings;
}

template <class T>
void encode_checkpoint(const CheckpointView<T>& view, std::vector<std::byte>& bytes) {
  h5::File file = h5::File::create_in_memory(checkpoint_bytes(*view.layout, view.optimizer.size(), sizeof(T)));
  write_model(file, view);
  write_optimizer(file, view);
  write_progress(file, *view.progress);
  write_preprocessing(file, *view.standardization);
  file.write_string(paths::kConfig, *view.config);
  write_environment(file, view.elapsed_seconds);
  file.image(kUserBlockBytes, bytes);
  seal(bytes);
}

template <class T>
std::vector<std::byte> encode_checkpoint(const CheckpointView<T>& view) {
  std::vector<std::byte> bytes;
  encode_checkpoint(view, bytes);
  return bytes;
}

template std::vector<std::byte> encode_checkpoint(const CheckpointView<float>&);
template std::vector<std::byte> encode_checkpoint(const CheckpointView<double>&);
template void encode_checkpoint(const CheckpointView<float>&, std::vector<std::byte>&);
template void encode_checkpoint(const CheckpointView<double>&, std::vector<std::byte>&);

}  // namespace gradloom
