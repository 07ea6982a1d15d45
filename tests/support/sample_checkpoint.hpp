#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "engine/checkpoint/checkpoint.hpp"
#include "support/temporary_folder.hpp"

/// A small checkpoint with everything in it, for the tests of checkpoints and of what reads them.
namespace gradloom {

inline void write_bytes(const std::string& path, const std::vector<std::byte>& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

/// 2-3-1, dropout, momentum, both sides standardized, numbers that no two tensors share.
template <class T>
Checkpoint<T> sample_checkpoint() {
  Checkpoint<T> c;
  const std::vector<LayerSpec> layers = {{3, Activation::kLeakyRelu, 0.25}, {1, Activation::kLinear}};
  c.layout = ParameterLayout(2, layers);
  c.parameters = AlignedBuffer<T>(c.layout.size(), T{0});
  c.optimizer["momentum"] = AlignedBuffer<T>(c.layout.size(), T{0});
  T next = T{1} / 3;
  for (T* block : {c.parameters.data(), c.optimizer["momentum"].data()})
    for (std::size_t l = 0; l < c.layout.depth(); ++l) {
      const MatrixView<T> weight = c.layout.weight(block, l);
      for (std::size_t i = 0; i < weight.rows * weight.cols; ++i) weight.data[i] = next += T{0.125};
      for (T& b : c.layout.bias(block, l)) b = next += T{0.125};
    }
  c.progress.step = 42;
  c.progress.epoch = 3;
  c.progress.epoch_step = 6;
  c.progress.seed = 18446744073709551615U;
  c.progress.samples_seen = 1344;
  c.progress.training_rows = 448;
  c.progress.epoch_loss_sum = 0.1;
  c.progress.epoch_samples = 192;
  c.progress.epoch_weight = 96.5;
  c.progress.best = {{0.25, 2, 28}, {0.5, 1, 14}};
  c.progress.patience_score = 0.25;
  c.progress.patience_used = 1;
  c.progress.learning_rate = 0.01;
  c.progress.plateau = PlateauState{0.25, 4, 1, 0.1};
  c.standardization = {{1, 2}, {3, 0.1}, {-4}, {5}};
  c.feature_names = {"höhe", "width"};
  c.config = "[train]\nloss = mse\n";
  c.elapsed_seconds = 12.5;
  return c;
}

/// The pointers look into `c`, which must outlive the view.
template <class T>
CheckpointView<T> view_of(const Checkpoint<T>& c) {
  CheckpointView<T> view{
      {&c.layout, c.loss, {}, &c.standardization, &c.class_weights, &c.feature_names, &c.class_names, &c.config},
      c.parameters.data(),
      {},
      &c.progress,
      c.elapsed_seconds,
      c.average.size() > 0 ? c.average.data() : nullptr};
  view.run.label_smoothing = c.label_smoothing;
  view.run.averaged = c.average.size() > 0;
  for (const auto& [name, block] : c.optimizer) {
    view.run.states.push_back(name);
    view.states.push_back(block.data());
  }
  return view;
}

}  // namespace gradloom
