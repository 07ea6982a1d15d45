#include "engine/train/evaluator.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/core/rounding.hpp"
#include "engine/data/source.hpp"
#include "engine/nn/loss.hpp"
#include "engine/train/label_sums.hpp"
#include "engine/train/metrics.hpp"
#include "engine/train/ranked_scores.hpp"
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
  return divide_up(x.rows, evaluation_block_rows(x.cols));
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

// Judges rows as they come, in their order.
template <class T>
class Judge {
 public:
  /// All references must outlive this. `rows`: about to come.
  Judge(const Network<T>& network, const T* parameters, const Objective& objective, const MetricPlan& plan,
        std::uint64_t rows, bool weighted, Arena& arena)
      : network_(network),
        parameters_(parameters),
        objective_(objective),
        plan_(plan),
        arena_(arena),
        all_errors_(asks([](MetricKind kind) { return MetricSums::needs_all_errors(kind); })),
        sums_(objective, outputs(), all_errors_) {
    if (!is_classification(objective.loss)) return;
    if (plan.by_class || asks([](MetricKind kind) { return LabelSums::gives(kind); }))
      labels_.emplace(objective.loss, outputs(), plan.metrics, plan.by_class);
    if (asks([](MetricKind kind) { return kind == MetricKind::kAuc; }))
      scores_.emplace(objective.loss, outputs(), rows, weighted, plan.score_bytes, arena);
  }

  /// weights (x.rows), or null.
  void add(MatrixView<const T> x, MatrixView<const T> y, const double* weights) {
    const std::size_t at_once = rows_at_once(x);
    for (std::size_t first = 0; first < x.rows; first += at_once) {
      const std::size_t rows = std::min(at_once, x.rows - first);
      add_piece(x.row_range(first, rows), y.row_range(first, rows), weights != nullptr ? weights + first : nullptr);
    }
  }

  Metrics metrics(const Standardization& standardization, const std::string& name) {
    if (sums_.weight() == 0)
      throw DataError(name +
                      ": all rows have a weight of 0, so there is nothing to judge by; give some of them another");
    Metrics metrics;
    metrics.rows = sums_.rows();
    metrics.loss = sums_.loss();
    const std::vector<double> areas = scores_ ? scores_->areas() : std::vector<double>{};
    for (const Metric& metric : plan_.metrics)
      metrics.values.emplace_back(metric, value(metric, areas, standardization.y_scale));
    if (plan_.by_class && labels_) add_classes(metrics, areas);
    return metrics;
  }

 private:
  template <class Is>
  [[nodiscard]] bool asks(const Is& is) const {
    return std::any_of(plan_.metrics.begin(), plan_.metrics.end(), [&](const Metric& m) { return is(m.kind); });
  }
  [[nodiscard]] std::size_t outputs() const { return network_.layout().outputs(); }
  [[nodiscard]] std::size_t columns() const { return target_columns(objective_.loss, outputs()); }

  // Whole blocks, where probabilities and what was judged wait for their turn; the bits do not depend on it.
  [[nodiscard]] std::size_t rows_at_once(MatrixView<const T> x) const {
    constexpr std::size_t kMostBytes = 8 << 20, kLeastBlocks = 8;
    if (!labels_ && !scores_) return std::max<std::size_t>(x.rows, 1);
    const std::size_t block_rows = evaluation_block_rows(x.cols);
    const std::size_t row_bytes = outputs() * sizeof(T) + columns() * sizeof(JudgedLabel);
    return std::max(kMostBytes / row_bytes / block_rows, kLeastBlocks) * block_rows;
  }

  void add_piece(MatrixView<const T> x, MatrixView<const T> y, const double* weights) {
    std::vector<MetricSums> sums(block_count(x), MetricSums(objective_, outputs(), all_errors_));
    const bool by_label = labels_ || scores_;
    if (by_label && probabilities_.rows() < x.rows) probabilities_ = Matrix<T>(x.rows, outputs());
    if (labels_) judged_.resize(x.rows * columns());
    for_each_block<T>(network_, parameters_, x, arena_,
                      [&](std::size_t block, std::size_t first, MatrixView<const T> output) {
                        const MatrixView<const T> own = y.row_range(first, output.rows);
                        sums[block].add(output, own, weights != nullptr ? weights + first : nullptr);
                        if (!by_label) return;
                        const MatrixView<T> probabilities = probabilities_.view().row_range(first, output.rows);
                        for (std::size_t r = 0; r < output.rows; ++r)
                          std::ranges::copy(output.row(r), probabilities.row(r).begin());
                        to_prediction<T>(objective_.loss, probabilities);
                        if (labels_)
                          judge_labels<T>(objective_.loss, output, probabilities, own,
                                          std::span(judged_).subspan(first * columns(), output.rows * columns()));
                      });
    for (const MetricSums& block : sums) sums_.merge(block);
    if (labels_) labels_->add(judged_, weights);
    if (scores_) scores_->add(std::as_const(probabilities_).view().row_range(0, x.rows), y, weights);
  }

  [[nodiscard]] double value(const Metric& metric, const std::vector<double>& areas,
                             const std::vector<double>& y_scale) const {
    if (metric.kind == MetricKind::kAuc) return mean_of_defined(areas);
    return LabelSums::gives(metric.kind) ? labels_->value(metric) : sums_.value(metric, y_scale);
  }

  static double mean_of_defined(const std::vector<double>& areas) {
    double sum = 0, count = 0;
    for (const double area : areas)
      if (!std::isnan(area)) {
        sum += area;
        ++count;
      }
    return sum / count;
  }

  // The area for class 0 of a binary output is that for class 1.
  void add_classes(Metrics& metrics, const std::vector<double>& areas) const {
    metrics.classes = labels_->classes();
    metrics.confusions = labels_->confusions();
    for (std::size_t c = 0; c < metrics.classes.size() && !areas.empty(); ++c)
      metrics.classes[c].auc = areas[areas.size() == 1 ? 0 : c];
  }

  const Network<T>& network_;
  const T* parameters_;
  const Objective& objective_;
  const MetricPlan& plan_;
  Arena& arena_;
  const bool all_errors_;
  MetricSums sums_;
  std::optional<LabelSums> labels_;        // where a metric takes them
  std::optional<RankedScores<T>> scores_;  // where auc is wanted
  Matrix<T> probabilities_;                // (rows of a piece, outputs)
  std::vector<JudgedLabel> judged_;        // of a piece
};

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

std::optional<double> Metrics::value(const Metric& metric) const {
  for (const auto& [known, value] : values)
    if (known == metric) return value;
  return std::nullopt;
}

std::optional<double> Metrics::value(std::string_view name) const {
  const std::optional<Metric> metric = parse_metric(name);
  return metric ? value(*metric) : std::nullopt;
}

MetricPlan plan_metrics(const Config& config) { return {judged_by(config), false, memory_limit(config) / kScoreShare}; }

std::vector<Metric> every_metric(Loss loss, std::size_t outputs, const Config& config) {
  std::vector<Metric> metrics = all_metrics(loss, outputs);
  for (const Metric& metric : judged_by(config))
    if (why_absent(metric, loss, outputs).empty() && std::find(metrics.begin(), metrics.end(), metric) == metrics.end())
      metrics.push_back(metric);
  return metrics;
}

template <class T>
Metrics evaluate_rows(const Network<T>& network, const T* parameters, const Objective& objective,
                      const Standardization& standardization, const Dataset<T>& data, Arena& arena,
                      const MetricPlan& plan) {
  const double* const weights = data.weights.empty() ? nullptr : data.weights.data();
  Judge<T> judge(network, parameters, objective, plan, data.rows(), weights != nullptr, arena);
  judge.add(data.x.view(), data.y.view(), weights);
  return judge.metrics(standardization, data.name);
}

template <class T>
Metrics evaluate_set(const Network<T>& network, const T* parameters, const Objective& objective,
                     const Standardization& standardization, const RunSet<T>& set, Arena& arena, const MetricPlan& plan,
                     const std::atomic<int>* stop) {
  if (!set.streamed()) return evaluate_rows(network, parameters, objective, standardization, set.memory(), arena, plan);
  Judge<T> judge(network, parameters, objective, plan, set.rows(), set.weighted(), arena);
  set.stream().for_each_piece(set.stream().piece_rows(evaluation_block_rows(set.features())),
                              [&](std::uint64_t, MatrixView<T> x, MatrixView<T> y, const double* weights) {
                                if (stop != nullptr && *stop != 0) throw EvaluationStopped{};
                                judge.add(x, y, weights);
                              });
  return judge.metrics(standardization, set.name());
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
                                 const Dataset<T>&, Arena&, const MetricPlan&);                                   \
  template Metrics evaluate_set(const Network<T>&, const T*, const Objective&, const Standardization&,            \
                                const RunSet<T>&, Arena&, const MetricPlan&, const std::atomic<int>*);            \
  template void predict_set(const Network<T>&, const T*, Loss, const Standardization&, const RunSet<T>&, Arena&,  \
                            const std::function<void(MatrixView<const T>)>&);                                     \
  template Matrix<T> predict_rows(const Network<T>&, const T*, Loss, const Standardization&, MatrixView<const T>, \
                                  Arena&)
GRADLOOM_INSTANTIATE(float);
GRADLOOM_INSTANTIATE(double);
#undef GRADLOOM_INSTANTIATE

}  // namespace gradloom
