#include "engine/checkpoint/image.hpp"

#include <bit>
#include <cstring>

#include "engine/checkpoint/checkpoint.hpp"
#include "engine/checkpoint/environment.hpp"
#include "engine/checkpoint/format.hpp"
#include "engine/checkpoint/paths.hpp"
#include "engine/core/parallel.hpp"

namespace gradloom {
namespace {

template <class T>
void write_vector(h5::File& file, const std::string& path, const std::vector<T>& values) {
  const std::array<std::uint64_t, 1> shape{values.size()};
  file.write<T>(path, shape, values.data());
}

template <class T>
void write_model(h5::File& file, const RunFacts& run) {
  const ParameterLayout& layout = *run.layout;
  file.create_group(paths::kModel);
  file.write_attribute(paths::kModel, "inputs", std::uint64_t{layout.inputs()});
  file.write_attribute(paths::kModel, "loss", std::string(to_string(run.loss)));
  if (run.label_smoothing > 0) file.write_attribute(paths::kModel, "label_smoothing", run.label_smoothing);
  if (!run.feature_names->empty()) file.write_attribute(paths::kModel, "feature_names", *run.feature_names);
  if (!run.class_names->empty()) file.write_attribute(paths::kModel, "class_names", *run.class_names);
  for (std::size_t l = 0; l < layout.depth(); ++l) {
    file.create_group(paths::layer(l));
    file.write_attribute(paths::layer(l), "activation", std::string(to_string(layout.layer(l).activation)));
    if (layout.layer(l).dropout > 0) file.write_attribute(paths::layer(l), "dropout", layout.layer(l).dropout);
    if (layout.layer(l).activation == Activation::kPrelu)
      file.write_attribute(paths::layer(l), "slopes", std::string(to_string(layout.layer(l).slopes)));
    if (layout.layer(l).normalization == Normalization::kNone) continue;
    file.write_attribute(paths::layer(l), "normalization", std::string(to_string(layout.layer(l).normalization)));
    file.write_attribute(paths::layer(l), "norm_place", std::string(to_string(layout.layer(l).norm_place)));
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
  if (progress.window != StreamWindow{}) {
    attribute("block_rows", progress.window.block_rows);
    attribute("window_blocks", progress.window.blocks);
  }
  attribute("epoch_loss_sum", progress.epoch_loss_sum);
  attribute("epoch_samples", progress.epoch_samples);
  if (progress.epoch_weight != static_cast<double>(progress.epoch_samples))
    attribute("epoch_weight", progress.epoch_weight);
  attribute("patience_score", progress.patience_score);
  attribute("patience_used", progress.patience_used);
  attribute("rollbacks", progress.rollbacks);
  attribute("learning_rate", progress.learning_rate);
  if (progress.restored_step) attribute("restored_step", *progress.restored_step);
  if (progress.plateau) {
    attribute("plateau_best", progress.plateau->best);
    attribute("plateau_bad_epochs", progress.plateau->bad_epochs);
    attribute("plateau_cooldown_left", progress.plateau->cooldown_left);
    attribute("plateau_scale", progress.plateau->scale);
  }
  write_best(file, progress.best);
}

void write_preprocessing(h5::File& file, const Standardization& s, const std::vector<double>& class_weights) {
  file.create_group(paths::kPreprocessing);
  if (s.features()) {
    write_vector(file, paths::kXMean, s.x_mean);
    write_vector(file, paths::kXScale, s.x_scale);
  }
  if (s.targets()) {
    write_vector(file, paths::kYMean, s.y_mean);
    write_vector(file, paths::kYScale, s.y_scale);
  }
  if (!class_weights.empty()) write_vector(file, paths::kClassWeights, class_weights);
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

std::uint64_t checkpoint_bytes(const ParameterLayout& layout, std::size_t blocks_beside, std::size_t element_bytes) {
  constexpr std::uint64_t kSmallThings = 64 << 10;  // config, progress, moments, HDF5's own
  return (1 + blocks_beside) * layout.size() * element_bytes + kSmallThings;
}

template <class T>
CheckpointImage<T>::CheckpointImage(const RunFacts& run) : run_(run), file_(h5::File::create_in_memory()) {
  static_assert(std::endian::native == std::endian::little, "tensors are put into the file as they are in memory");
  write_model<T>(file_, run_);
  reserve_block(paths::tensor, true);
  file_.create_group(paths::kOptimizer);
  for (const std::string& state : run_.states)
    reserve_block([&](std::size_t l, const char* tensor) { return paths::state(l, tensor, state); }, false);
  if (run_.averaged) reserve_block(paths::average, true);
  (void)file_.memory();  // the memory is asked for here, where nobody waits
}

template <class T>
template <class Path>
void CheckpointImage<T>::reserve_block(const Path& path, bool with_averages) {
  for (std::size_t l = 0; l < run_.layout->depth(); ++l)
    for (const LayerTensor& tensor : run_.layout->layer(l).tensors)
      if (with_averages || tensor.learned) places_.push_back(file_.reserve<T>(path(l, tensor.name), tensor.shape()));
}

template <class T>
void CheckpointImage<T>::set_tensors(const T* parameters, std::span<const T* const> states, const T* average) {
  std::byte* const memory = file_.memory().data();
  auto place = places_.begin();
  const auto set_block = [&](const T* block, bool with_averages) {
    for (std::size_t l = 0; l < run_.layout->depth(); ++l)
      for (const LayerTensor& tensor : run_.layout->layer(l).tensors)
        if (with_averages || tensor.learned)
          std::memcpy(memory + *place++, block + tensor.offset, tensor.size() * sizeof(T));
  };
  set_block(parameters, true);
  for (const T* const state : states) set_block(state, false);
  if (run_.averaged) set_block(average, true);
}

template <class T>
void CheckpointImage<T>::complete(const Progress& progress, double elapsed_seconds) {
  write_progress(file_, progress);
  write_preprocessing(file_, *run_.standardization, *run_.class_weights);
  file_.write_string(paths::kConfig, *run_.config);
  write_environment(file_, elapsed_seconds);
  payload_ = file_.memory();
  seal(user_block_, payload_);
}

template <class T>
std::vector<std::byte> encode_checkpoint(const CheckpointView<T>& view) {
  CheckpointImage<T> image(view.run);
  image.set_tensors(view.parameters, view.states, view.average);
  image.complete(*view.progress, view.elapsed_seconds);
  std::vector<std::byte> bytes;
  for (const auto part : image.parts()) bytes.insert(bytes.end(), part.begin(), part.end());
  return bytes;
}

template class CheckpointImage<float>;
template class CheckpointImage<double>;
template std::vector<std::byte> encode_checkpoint(const CheckpointView<float>&);
template std::vector<std::byte> encode_checkpoint(const CheckpointView<double>&);

}  // namespace gradloom
