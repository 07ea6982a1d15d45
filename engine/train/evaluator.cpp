#include "engine/train/evaluator.hpp"

#include <algorithm>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/nn/loss.hpp"
#include "engine/train/metrics.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

// Workspaces of one block each, as many as are in use at once; which block gets which does not matter.
template <class T>
class Workspaces {
 public:
  Workspaces(const ParameterLayout& layout, std::size_t rows) : layout_(layout), rows_(rows) {}

  std::unique_ptr<Workspace<T>> take() {
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        auto workspace = std::move(free_.back());
        free_.pop_back();
        return workspace;
      }
    }
    return std::make_unique<Workspace<T>>(layout_, rows_, false);
  }
  void give_back(std::unique_ptr<Workspace<T>> workspace) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(workspace));
  }

 private:
  const ParameterLayout& layout_;  // must outlive this
  const std::size_t rows_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Workspace<T>>> free_;  // guarded by mutex_
};

template <class T>
std::size_t block_count(MatrixView<const T> x) {
  const std::size_t rows = evaluation_block_rows(x.cols);
  return (x.rows + rows - 1) / rows;
}

// Calls use(block, first row, outputs of the block's rows) for every block, concurrently.
template <class T, class Use>
void for_each_block(const Network<T>& network, const T* parameters, MatrixView<const T> x, Arena& arena,
                    const Use& use) {
  const std::size_t block_rows = evaluation_block_rows(x.cols);
  Workspaces<T> workspaces(network.layout(), std::min(x.rows, block_rows));
  arena.for_each(block_count(x), [&](std::size_t block) {
    const std::size_t first = block * block_rows;
    const RowRange rows{0, std::min(block_rows, x.rows - first)};
    auto workspace = workspaces.take();
    network.forward(parameters, x.row_range(first, rows.count), *workspace, rows);
    use(block, first, network.output(*workspace, rows));
    workspaces.give_back(std::move(workspace));
  });
}

// Adds the blocks of these rows, in their order. weights (x.rows), or null.
template <class T>
void add_rows(const Network<T>& network, const T* parameters, const Objective& objective, MatrixView<const T> x,
              MatrixView<const T> y, const double* weights, Arena& arena, MetricSums& all) {
  std::vector<MetricSums> sums(block_count(x), MetricSums(objective, network.layout().outputs()));
  for_each_block<T>(
      network, parameters, x, arena, [&](std::size_t block, std::size_t first, MatrixView<const T> output) {
        sums[block].add(output, y.row_range(first, output.rows), weights != nullptr ? weights + first : nullptr);
      });
  for (const MetricSums& block : sums) all.merge(block);
}

Metrics metrics_of(const MetricSums& sums, const Standardization& standardization, const std::string& name) {
  if (sums.weight() == 0)
    throw DataError(name + ": all rows have a weight of 0, so there is nothing to judge by; give some of them another");
  return sums.metrics(standardization.y_scale);
}

template <class T>
void predict_into(const Network<T>& network, const T* parameters, Loss loss, const Standardization& standardization,
                  MatrixView<const T> x, MatrixView<T> predictions, Arena& arena) {
  for_each_block<T>(network, parameters, x, arena, [&](std::size_t, std::size_t first, MatrixView<const T> output) {
    const MatrixView<T> rows = predictions.row_range(first, output.rows);
    for (std::size_t r = 0; r < output.rows; ++r) std::ranges::copy(output.row(r), rows.row(r).begin());
    to_prediction<T>(loss, rows);
    if (standardization.targets()) restore_targets<T>(standardization, rows);
  });
}

}  // namespace

std::size_t evaluation_block_rows(std::size_t inputs) {
  constexpr std::size_t kMostElements = 1 << 20;
  return std::clamp<std::size_t>(kMostElements / std::max<std::size_t>(inputs, 1), 16, 512);
}

template <class T>
Metrics evaluate_rows(const Network<T>& network, const T* parameters, const Objective& objective,
                      const Standardization& standardization, const Dataset<T>& data, Arena& arena) {
  MetricSums sums(objective, network.layout().outputs());
  const double* const weights = data.weights.empty() ? nullptr : data.weights.data();
  add_rows<T>(network, parameters, objective, data.x.view(), data.y.view(), weights, arena, sums);
  return metrics_of(sums, standardization, data.name);
}

template <class T>
Metrics evaluate_set(const Network<T>& network, const T* parameters, const Objective& objective,
                     const Standardization& standardization, const RunSet<T>& set, Arena& arena,
                     const std::atomic<int>* stop) {
  if (!set.streamed()) return evaluate_rows(network, parameters, objective, standardization, set.memory(), arena);
  MetricSums sums(objective, network.layout().outputs());
  set.stream().for_each_piece(set.stream().piece_rows(evaluation_block_rows(set.features())),
                              [&](std::uint64_t, MatrixView<T> x, MatrixView<T> y, const double* weights) {
                                if (stop != nullptr && *stop != 0) throw EvaluationStopped{};
                                add_rows<T>(network, parameters, objective, x, y, weights, arena, sums);
                              });
  return metrics_of(sums, standardization, set.name());
}

template <class T>
Matrix<T> predict_rows(const Network<T>& network, const T* parameters, Loss loss,
                       const Standardization& standardization, MatrixView<const T> x, Arena& arena) {
  Matrix<T> predictions(x.rows, network.layout().outputs());
  predict_into<T>(network, parameters, loss, standardization, x, predictions.view(), arena);
  return predictions;
}

template <class T>
void predict_set(const Network<T>& network, const T* parameters, Loss loss, const Standardization& standardization,
                 const RunSet<T>& set, Arena& arena, const std::function<void(MatrixView<const T>)>& use) {
  const std::size_t block_rows = evaluation_block_rows(set.features());
  const auto predict_piece = [&](MatrixView<const T> x) {
    use(predict_rows<T>(network, parameters, loss, standardization, x, arena).view());
  };
  if (set.streamed())
    return set.stream().for_each_piece(set.stream().piece_rows(block_rows),
                                       [&](std::uint64_t, MatrixView<T> x, auto&&...) { predict_piece(x); });
  const MatrixView<const T> x = set.memory().x.view();
  const std::size_t piece_rows = 64 * block_rows;
  for (std::size_t row = 0; row < x.rows; row += piece_rows)
    predict_piece(x.row_range(row, std::min(piece_rows, x.rows - row)));
}

#define GRADLOOM_INSTANTIATE(T)                                                                                   \
  template Metrics evaluate_rows(const Network<T>&, const T*, const Objective&, const Standardization&,           \
                                 const Dataset<T>&, Arena&);                                                      \
  template Metrics evaluate_set(const Network<T>&, const T*, const Objective&, const Standardization&,            \
                                const RunSet<T>&, Arena&, const std::atomic<int>*);                               \
  template void predict_set(const Network<T>&, const T*, Loss, const Standardization&, const RunSet<T>&, Arena&,  \
                            const std::function<void(MatrixView<const T>)>&);                                     \
  template Matrix<T> predict_rows(const Network<T>&, const T*, Loss, const Standardization&, MatrixView<const T>, \
                                  Arena&)
GRADLOOM_INSTANTIATE(float);
GRADLOOM_INSTANTIATE(double);
#undef GRADLOOM_INSTANTIATE

}  // namespace gradloom
