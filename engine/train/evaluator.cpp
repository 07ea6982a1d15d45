#include "engine/train/evaluator.hpp"

#include <algorithm>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/nn/loss.hpp"
#include "engine/train/metrics.hpp"

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

std::size_t block_count(std::size_t rows) { return (rows + kEvaluationBlockRows - 1) / kEvaluationBlockRows; }

// Calls use(block, first row, outputs of the block's rows) for every block, concurrently.
template <class T, class Use>
void for_each_block(const Network<T>& network, const T* parameters, MatrixView<const T> x, Arena& arena,
                    const Use& use) {
  Workspaces<T> workspaces(network.layout(), std::min(x.rows, kEvaluationBlockRows));
  arena.for_each(block_count(x.rows), [&](std::size_t block) {
    const std::size_t first = block * kEvaluationBlockRows;
    const RowRange rows{0, std::min(kEvaluationBlockRows, x.rows - first)};
    auto workspace = workspaces.take();
    network.forward(parameters, x.row_range(first, rows.count), *workspace, rows);
    use(block, first, network.output(*workspace, rows));
    workspaces.give_back(std::move(workspace));
  });
}

}  // namespace

template <class T>
Metrics evaluate_rows(const Network<T>& network, const T* parameters, Loss loss, const Standardization& standardization,
                      const Dataset<T>& data, Arena& arena) {
  const MetricSums none(loss, network.layout().outputs());
  std::vector<MetricSums> sums(block_count(data.rows()), none);
  for_each_block<T>(network, parameters, data.x.view(), arena,
                    [&](std::size_t block, std::size_t first, MatrixView<const T> output) {
                      sums[block].add(output, data.y.view().row_range(first, output.rows));
                    });
  MetricSums all = none;
  for (const MetricSums& block : sums) all.merge(block);
  return all.metrics(standardization.y_scale);
}

template <class T>
Matrix<T> predict_rows(const Network<T>& network, const T* parameters, Loss loss,
                       const Standardization& standardization, MatrixView<const T> x, Arena& arena) {
  Matrix<T> predictions(x.rows, network.layout().outputs());
  for_each_block<T>(network, parameters, x, arena, [&](std::size_t, std::size_t first, MatrixView<const T> output) {
    const MatrixView<T> rows = predictions.view().row_range(first, output.rows);
    for (std::size_t r = 0; r < output.rows; ++r) std::ranges::copy(output.row(r), rows.row(r).begin());
    to_prediction<T>(loss, rows);
    if (standardization.targets()) restore_targets<T>(standardization, rows);
  });
  return predictions;
}

#define GRADLOOM_INSTANTIATE(T)                                                                                   \
  template Metrics evaluate_rows(const Network<T>&, const T*, Loss, const Standardization&, const Dataset<T>&,    \
                                 Arena&);                                                                         \
  template Matrix<T> predict_rows(const Network<T>&, const T*, Loss, const Standardization&, MatrixView<const T>, \
                                  Arena&)
GRADLOOM_INSTANTIATE(float);
GRADLOOM_INSTANTIATE(double);
#undef GRADLOOM_INSTANTIATE

}  // namespace gradloom
