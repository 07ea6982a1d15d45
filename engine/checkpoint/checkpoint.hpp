#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/checkpoint/environment.hpp"
#include "engine/data/prepare.hpp"
#include "engine/data/stream_window.hpp"
#include "engine/nn/layout.hpp"
#include "engine/optim/plateau.hpp"
#include "gradloom/matrix.hpp"
#include "gradloom/options.hpp"

namespace gradloom {

/// An epoch's monitored value.
struct BestEpoch {
  double score = 0;
  std::uint64_t epoch = 0;  ///< counted from 1
  std::uint64_t step = 0;   ///< the checkpoint that holds it
};

/// How far a run has come. A function of config, data and seed alone: no times, no thread counts.
struct Progress {
  std::uint64_t step = 0;        ///< updates done
  std::uint64_t epoch = 0;       ///< whole epochs done
  std::uint64_t epoch_step = 0;  ///< updates done in the epoch under way
  std::uint64_t seed = 0;
  std::uint64_t samples_seen = 0;
  std::uint64_t training_rows = 0;  ///< rows of the training set, held-out ones left out: must agree at a resume
  StreamWindow window;              ///< how they are streamed, which decides their order
  double epoch_loss_sum = 0;        ///< of the epoch under way: loss of each step times its rows' weight
  std::uint64_t epoch_samples = 0;  ///< rows behind epoch_loss_sum
  double epoch_weight = 0;          ///< of those rows; their number where they count alike
  std::vector<BestEpoch> best;      ///< the best epochs so far, best first, at most max(1, checkpoint.keep-best)
  double patience_score = 0;        ///< the value that early stopping compares with
  std::uint64_t patience_used = 0;  ///< epochs since it last improved by min-delta
  std::uint64_t rollbacks = 0;      ///< times that the run went back after a divergence; each halves the learning rate
  double learning_rate = 0;         ///< schedule state: the rate of the last step
  /// Where the run is complete and has taken over its best epoch's state (train.restore-best): that one's step.
  std::optional<std::uint64_t> restored_step;
  std::optional<PlateauState> plateau;  ///< schedule state, once schedule.type = plateau has looked at an epoch
};

/// Everything that a checkpoint file holds, in the run's precision.
template <class T>
struct Checkpoint {
  ParameterLayout layout;
  Loss loss = Loss::kMse;
  AlignedBuffer<T> parameters;                        ///< a flat block of `layout`
  std::map<std::string, AlignedBuffer<T>> optimizer;  ///< flat blocks of `layout`, by state name
  AlignedBuffer<T> average;                           ///< of the parameters (train.ema), a flat block; empty without
  Progress progress;
  Standardization standardization;
  std::vector<double> class_weights;                    ///< one a class; empty where they count alike
  double label_smoothing = 0;                           ///< of the loss, in [0, 1)
  std::vector<std::string> feature_names, class_names;  ///< of the training data; empty where it has none
  std::string config;                                   ///< resolved config text
  double elapsed_seconds = 0;                           ///< over all sessions of the run; kept under /environment
  Environment environment;                              ///< of the process that wrote it

  /// What evaluate and predict use.
  [[nodiscard]] const AlignedBuffer<T>& judged() const { return average.size() > 0 ? average : parameters; }
};

/// What is the same in all checkpoints of a run.
struct RunFacts {
  const ParameterLayout* layout;
  Loss loss;
  std::vector<std::string> states;  ///< names of the optimizer's states
  const Standardization* standardization;
  const std::vector<double>* class_weights;
  const std::vector<std::string>* feature_names;
  const std::vector<std::string>* class_names;
  const std::string* config;  ///< resolved config text
  double label_smoothing = 0;
  bool averaged = false;  ///< an average of the parameters stands beside them
};

/// A reference to what a checkpoint is written from; nothing is copied. All pointers must outlive the call.
template <class T>
struct CheckpointView {
  RunFacts run;
  const T* parameters;
  std::vector<const T*> states;  ///< flat blocks, in the order of run.states
  const Progress* progress;
  double elapsed_seconds;
  const T* average = nullptr;  ///< a flat block where run.averaged
};

/// The file's bytes, built as a CheckpointImage (image.hpp), in one piece.
template <class T>
std::vector<std::byte> encode_checkpoint(const CheckpointView<T>& view);

/// About the size of such a file, rather more than less. blocks_beside: what it holds beside the parameters, in blocks
/// of their size.
std::uint64_t checkpoint_bytes(const ParameterLayout& layout, std::size_t blocks_beside, std::size_t element_bytes);

/// Reads and checks a whole checkpoint file: user block and checksum before the HDF5 library sees a byte, then every
/// shape against every other. CheckpointError says what is wrong, FileError why the system did not give the file up;
/// `Precision` of the file must be T's.
template <class T>
Checkpoint<T> read_checkpoint(const std::string& path);

/// What is needed before choosing T.
Precision checkpoint_precision(const std::string& path);

/// How far the run had come that wrote it.
Progress checkpoint_progress(const std::string& path);

/// True where the file starts like a checkpoint, or like one whose user block is damaged (the HDF5 signature stands at
/// 512 and not at 0). Says nothing about its being whole.
bool looks_like_checkpoint(const std::string& path);

/// Whole or CheckpointError (FileError, as read_checkpoint): user block, checksum, structure, shapes, finite
/// parameters.
void verify_checkpoint(const std::string& path);

}  // namespace gradloom
