#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "engine/core/parallel.hpp"
#include "engine/data/prepare.hpp"
#include "engine/data/run_set.hpp"
#include "engine/nn/network.hpp"
#include "engine/nn/objective.hpp"
#include "gradloom/dataset.hpp"
#include "gradloom/evaluation.hpp"
#include "gradloom/model.hpp"

namespace gradloom {

/// What a Model is made of. Constant after construction.
template <class T>
struct Model<T>::State {
  Network<T> network;
  AlignedBuffer<T> parameters;  ///< a flat block of network.layout()
  Objective objective = Loss::kMse;
  Standardization standardization;
  std::vector<std::string> feature_names, class_names;
  std::string config;  ///< resolved config text; empty for models that were never in a checkpoint
};

/// Rows that are evaluated at once: a function of the network's inputs alone, so that results do not depend on threads
/// or memory. 512, and fewer of very wide ones, which would not fit a small memory.
std::size_t evaluation_block_rows(std::size_t inputs);

/// The scores of auc may take data.memory divided by this, beside the data.
constexpr std::uint64_t kScoreShare = 8;

/// What an evaluation is to give beside the loss.
struct MetricPlan {
  std::vector<Metric> metrics;  ///< that the model has
  bool by_class = false;        ///< Metrics::classes and ::confusions, where it is one of classification
  /// Bytes that auc's scores may take; what is over goes to a file. The bits are the same.
  std::uint64_t score_bytes = 1ULL << 30;
};

/// What a run judges its validation and test rows by.
MetricPlan plan_metrics(const Config& config);

/// All metrics that such a model has, then those that a run with this config is judged by with other parameters.
std::vector<Metric> every_metric(Loss loss, std::size_t outputs, const Config& config);

/// Loss and metrics of a network on standardized data (x and y both), blocks in parallel, their sums added in block
/// order, those of labels in row order, in float64: the same bits for any arena. Rows count by their weights; DataError
/// where all weigh 0. Errors are restored to the target's own units.
template <class T>
Metrics evaluate_rows(const Network<T>& network, const T* parameters, const Objective& objective,
                      const Standardization& standardization, const Dataset<T>& data, Arena& arena,
                      const MetricPlan& plan);

/// What evaluate_set() throws where it was told to stop.
struct EvaluationStopped {};

/// The same for a set of a run, whose rows may be streamed: the same bits. A stream is left where `*stop` is not 0.
template <class T>
Metrics evaluate_set(const Network<T>& network, const T* parameters, const Objective& objective,
                     const Standardization& standardization, const RunSet<T>& set, Arena& arena, const MetricPlan& plan,
                     const std::atomic<int>* stop = nullptr);

/// Predictions for standardized features: (rows, outputs), restored to the target's units, or probabilities.
template <class T>
Matrix<T> predict_rows(const Network<T>& network, const T* parameters, Loss loss,
                       const Standardization& standardization, MatrixView<const T> x, Arena& arena);

/// The same for a set of a run, whose rows may be streamed, piece by piece in their order: the same bits.
template <class T>
void predict_set(const Network<T>& network, const T* parameters, Loss loss, const Standardization& standardization,
                 const RunSet<T>& set, Arena& arena, const std::function<void(MatrixView<const T>)>& use);

}  // namespace gradloom
