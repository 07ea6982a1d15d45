#include "engine/train/step_graph.hpp"

#include <tbb/flow_graph.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "engine/core/thread_sanitizer.hpp"
#include "engine/linalg/kernels.hpp"
#include "engine/linalg/panels.hpp"
#include "engine/nn/loss.hpp"

namespace gradloom {
namespace {

using tbb::flow::continue_msg;
using tbb::flow::continue_node;
using tbb::flow::make_edge;
using Node = continue_node<continue_msg>;

// Elements of dW that a worker computes before it updates their weights: they are to stand in its second-level cache,
// and no network is to need much memory for them.
constexpr std::size_t kGradientElements = std::size_t{256} * 1024;

constexpr double kNoBound = std::numeric_limits<double>::infinity();

// Inputs of a tile whose dW is computed at once: all, or whole panels.
std::size_t inputs_at_once(const Tile& tile, std::size_t inputs) {
  constexpr std::size_t kPanelColumns = 64;
  const std::size_t fit = kGradientElements / tile.units / kPanelColumns * kPanelColumns;
  return std::min(inputs, std::max(fit, kPanelColumns));
}

}  // namespace

template <class T>
struct StepGraph<T>::Nodes {
  explicit Nodes(StepGraph& step);
  void make_narrow(StepGraph& step);
  void make_wide(StepGraph& step);
  void make_clipping(StepGraph& step);
  static void make_path(Node& from, Node* gate, Node& to);
  template <class Body>
  std::unique_ptr<Node> node(const Body& body);

  tbb::flow::graph graph;
  tbb::flow::broadcast_node<continue_msg> minibatch{graph};
  std::vector<std::vector<std::unique_ptr<Node>>> forward;   ///< [stage][node of rows]; narrow: both passes
  std::vector<std::unique_ptr<Node>> moments;                ///< [stage]: of the batch-norm that ends it
  std::vector<std::vector<std::unique_ptr<Node>>> backward;  ///< [layer][node of rows]
  std::vector<std::unique_ptr<Node>> gradient;               ///< [layer]: null where it has no batch-norm
  std::vector<std::unique_ptr<Node>> layer_done;             ///< [layer]: every shard has been here; narrow: one
  std::vector<std::vector<std::unique_ptr<Node>>> update;    ///< [layer][tile]
  std::vector<std::unique_ptr<Node>> update_functions;       ///< [layer]: null where they learn nothing

  // With optimizer.clip-grad-norm, else none.
  std::vector<std::unique_ptr<Node>> gradient_done;             ///< [layer]: its whole gradient stands in memory
  std::vector<std::vector<std::unique_ptr<Node>>> measure;      ///< [layer][tile]
  std::unique_ptr<Node> norm;                                   ///< one: it needs every tile, and every tile needs it
  std::vector<std::vector<std::unique_ptr<Node>>> update_kept;  ///< [layer][tile], and behind them the functions
};

template <class T>
StepGraph<T>::Nodes::Nodes(StepGraph& step)
    : forward(step.gates_.size() + 1),
      backward(step.plan_.tiles.size()),
      gradient(step.plan_.tiles.size()),
      update(step.plan_.tiles.size()),
      update_functions(step.plan_.tiles.size()) {
  if (step.plan_.passes == Passes::kNarrow)
    make_narrow(step);
  else
    make_wide(step);
}

template <class T>
template <class Body>
std::unique_ptr<Node> StepGraph<T>::Nodes::node(const Body& body) {
  return std::make_unique<Node>(graph, [this, body](const continue_msg&) {
    take_over(this);
    body();
    hand_over(this);
  });
}

template <class T>
void StepGraph<T>::Nodes::make_narrow(StepGraph& step) {
  layer_done.push_back(node([&step] { step.update_all(); }));
  for (std::size_t n = 0; n < step.plan_.row_nodes; ++n) {
    forward[0].push_back(node([&step, n] { step.both_passes(n, this_worker()); }));
    make_edge(minibatch, *forward[0][n]);
    make_edge(*forward[0][n], *layer_done[0]);
  }
}

template <class T>
void StepGraph<T>::Nodes::make_wide(StepGraph& step) {
  const StepPlan& plan = step.plan_;
  const std::size_t layers = plan.tiles.size();
  const std::size_t rows = plan.row_nodes;
  const std::size_t stages = forward.size();
  for (std::size_t k = 0; k < stages; ++k)
    for (std::size_t n = 0; n < rows; ++n) forward[k].push_back(node([&step, n, k] { step.forward(n, k); }));
  for (const std::size_t l : step.gates_) {
    moments.push_back(node([&step, l] { step.join_moments(l); }));
    gradient[l] = node([&step, l] { step.join_gradient(l); });
  }
  for (std::size_t l = 0; l < layers; ++l) {
    for (std::size_t n = 0; n < rows; ++n) backward[l].push_back(node([&step, n, l] { step.backward(n, l); }));
    layer_done.push_back(node([] {}));
    for (std::size_t t = 0; t < plan.tiles[l].size(); ++t)
      update[l].push_back(node([&step, l, t] { step.update(l, t, this_worker()); }));
    if (step.learns_functions(l)) update_functions[l] = node([&step, l] { step.update_functions(l); });
  }

  for (std::size_t n = 0; n < rows; ++n) {
    make_edge(minibatch, *forward[0][n]);
    for (std::size_t k = 1; k < stages; ++k) make_path(*forward[k - 1][n], moments[k - 1].get(), *forward[k][n]);
    make_edge(*forward[stages - 1][n], *backward[layers - 1][n]);
    for (std::size_t l = layers - 1; l > 0; --l) make_path(*backward[l][n], gradient[l - 1].get(), *backward[l - 1][n]);
    for (std::size_t l = 0; l < layers; ++l) make_edge(*backward[l][n], *layer_done[l]);
  }
  for (std::size_t l = 0; l < layers; ++l) {
    for (const auto& tile : update[l]) make_edge(*layer_done[l], *tile);
    if (update_functions[l]) make_edge(*layer_done[l], *update_functions[l]);
  }
  if (step.clips_norm_) make_clipping(step);
}

template <class T>
void StepGraph<T>::Nodes::make_clipping(StepGraph& step) {
  measure.resize(update.size());
  update_kept.resize(update.size());
  norm = node([&step] { step.take_norm(); });
  for (std::size_t l = 0; l < update.size(); ++l) {
    gradient_done.push_back(node([] {}));
    for (std::size_t t = 0; t < update[l].size(); ++t) {
      measure[l].push_back(node([&step, l, t] { step.measure(l, t); }));
      update_kept[l].push_back(node([&step, l, t] { step.update_kept(l, t); }));
    }
    if (update_functions[l]) update_kept[l].push_back(node([&step, l] { step.update_kept_functions(l); }));
  }

  for (std::size_t l = 0; l < update.size(); ++l) {
    for (const auto& tile : update[l]) make_edge(*tile, *gradient_done[l]);
    if (update_functions[l]) make_edge(*update_functions[l], *gradient_done[l]);
    for (const auto& tile : measure[l]) {
      make_edge(*gradient_done[l], *tile);
      make_edge(*tile, *norm);
    }
    for (const auto& tile : update_kept[l]) make_edge(*norm, *tile);
  }
}

// Gates have an edge from and to each of the nodes beside this one.
template <class T>
void StepGraph<T>::Nodes::make_path(Node& from, Node* gate, Node& to) {
  if (gate == nullptr) return make_edge(from, to);
  make_edge(from, *gate);
  make_edge(*gate, to);
}

template <class T>
StepGraph<T>::StepGraph(const Network<T>& network, Objective objective, const Optimizer<T>& optimizer, StepPlan plan,
                        TrainingState<T>& state, Arena& arena, std::optional<double> ema)
    : network_(network),
      narrow_(network.layout()),
      objective_(std::move(objective)),
      optimizer_(optimizer),
      ema_(ema),
      plan_(std::move(plan)),
      arena_(arena),
      clips_norm_(optimizer.options().clip_grad_norm.has_value()),
      loss_weights_(plan_.batch_rows),
      state_(state),
      workspace_(network.layout(), plan_.passes == Passes::kNarrow ? 0 : plan_.batch_rows, true, plan_.shard_rows),
      loss_sums_(plan_.shards),
      not_finite_(plan_.shards),
      norm_(network.layout(), static_cast<T>(optimizer.options().clip_grad_value.value_or(kNoBound))) {
  const ParameterLayout& layout = network.layout();
  workspace_.own_products = plan_.passes == Passes::kPanels;
  std::size_t largest_part = 0, by_shard = 0, whole = 0;
  for (std::size_t l = 0; l < layout.depth(); ++l) {
    if (layout.layer(l).normalization == Normalization::kBatchNorm) gates_.push_back(l);
    tile_count_ += plan_.tiles[l].size();
    finite_.emplace_back(plan_.tiles[l].size() + (learns_functions(l) ? 1 : 0), 1);
    std::size_t& before = plan_.reductions[l] == Reduction::kShardGradients ? by_shard : whole;
    gradient_offset_.push_back(before);
    before += layout.elements_of_layer(l);
    if (clips_norm_ || plan_.reductions[l] == Reduction::kShardGradients) continue;
    const auto measure_part = [&](const Tile& part) {
      largest_part = std::max(largest_part, part.units * (inputs_at_once(part, layout.layer(l).inputs) + 1));
    };
    for (const Tile& tile : plan_.tiles[l]) for_each_part(tile, measure_part);
  }
  if (clips_norm_ && whole > 0) whole_gradients_ = AlignedBuffer<T>(whole, T{0});
  for (std::size_t s = 0; s < plan_.shards && by_shard > 0; ++s) shard_gradients_.emplace_back(by_shard, T{0});
  for (std::size_t w = 0; w < threads() && largest_part > 0; ++w) tile_gradients_.emplace_back(largest_part);
  if (plan_.passes == Passes::kNarrow)
    for (std::size_t w = 0; w < threads(); ++w)
      narrow_workspaces_.push_back(std::make_unique<NarrowWorkspace<T>>(layout, plan_.shard_rows));
  arena_.run([this] { nodes_ = std::make_unique<Nodes>(*this); });  // a graph belongs to the arena it is made in
}

template <class T>
StepGraph<T>::~StepGraph() {
  arena_.run([this] { nodes_.reset(); });
}

template <class T>
double StepGraph<T>::run(MatrixView<const T> x, MatrixView<const T> y, const UpdateContext& context,
                         const DropoutContext& dropout, const double* weights) {
  x_ = x;
  y_ = y;
  context_ = context;
  norm_value_ = 0;
  workspace_.dropout = dropout;
  weigh_rows(weights);
  products_only_ = false;
  tiles_begun_.store(0, std::memory_order_relaxed);
  beside_work_ = side_work_ != nullptr && side_work_->has_pieces();
  fire();
  double sum = 0;
  for (const double shard_sum : loss_sums_) sum += shard_sum;
  return sum / divisor_;
}

// Before any shard, so that each divides by the weight of the whole minibatch.
template <class T>
void StepGraph<T>::weigh_rows(const double* weights) {
  weighted_ = weights != nullptr || !objective_.class_weights.empty();
  if (weighted_) {
    weight_ = objective_.weigh(y_, weights, loss_weights_.data());
  } else {
    weight_ = static_cast<double>(x_.rows);
  }
  const std::size_t terms = loss_terms_per_row(objective_.loss, network_.layout().outputs());
  divisor_ = weight_ > 0 ? weight_ * static_cast<double>(terms) : 1;
}

template <class T>
void StepGraph<T>::run_products(MatrixView<const T> x) {
  x_ = x;
  products_only_ = true;
  fire();
}

template <class T>
void StepGraph<T>::fire() {
  if (threads() == 1) {
    run_in_order();
  } else {
    arena_.run([this] {
      try {
        hand_over(nodes_.get());
        nodes_->minibatch.try_put(continue_msg{});
        nodes_->graph.wait_for_all();
        take_over(nodes_.get());
      } catch (...) {  // a node threw: make the graph ready for another run, and pass the exception on
        nodes_->graph.reset();
        throw;
      }
    });
  }
}

template <class T>
void StepGraph<T>::run_in_order() {
  if (plan_.passes == Passes::kNarrow) {
    for (std::size_t n = 0; n < plan_.row_nodes; ++n) both_passes(n, 0);
    return update_all();
  }
  for (std::size_t k = 0; k <= gates_.size(); ++k) {
    for (std::size_t n = 0; n < plan_.row_nodes; ++n) forward(n, k);
    if (k < gates_.size()) join_moments(gates_[k]);
  }
  for (std::size_t l = plan_.tiles.size(); l-- > 0;) {
    if (network_.layout().layer(l).normalization == Normalization::kBatchNorm) join_gradient(l);
    for (std::size_t n = 0; n < plan_.row_nodes; ++n) backward(n, l);
    if (learns_functions(l)) update_functions(l);
    for (std::size_t t = 0; t < plan_.tiles[l].size(); ++t) update(l, t, 0);
  }
  if (clips_norm_) clip_in_order();
}

template <class T>
void StepGraph<T>::clip_in_order() {
  for (std::size_t l = 0; l < plan_.tiles.size(); ++l)
    for (std::size_t t = 0; t < plan_.tiles[l].size(); ++t) measure(l, t);
  take_norm();
  for (std::size_t l = 0; l < plan_.tiles.size(); ++l) {
    for (std::size_t t = 0; t < plan_.tiles[l].size(); ++t) update_kept(l, t);
    if (learns_functions(l)) update_kept_functions(l);
  }
}

template <class T>
void StepGraph<T>::forward(std::size_t node, std::size_t stage) {
  if (products_only_) {
    if (stage == 0) forward_products(node);  // of all stages
    return;
  }
  LapClock clock(times_ == nullptr ? nullptr : &times_->row_node(node));
  const RowRange rows = plan_.node_rows(node, x_.rows);
  const T* const parameters = state_.parameters.data();
  const bool last = stage == gates_.size();
  const std::size_t first = stage == 0 ? 0 : gates_[stage - 1] + 1;
  const std::size_t end = last ? plan_.tiles.size() : gates_[stage];
  if (rows.count > 0) {
    if (stage > 0) network_.forward_from_normalization(parameters, gates_[stage - 1], workspace_, rows);
    for (std::size_t l = first; l < end; ++l) network_.forward_layer(parameters, l, x_, workspace_, rows);
    if (!last) network_.forward_to_normalization(parameters, end, x_, workspace_, rows);
  }
  if (last)
    take_losses(node);
  else
    for_each_shard(node, [&](std::size_t s, RowRange own) { network_.take_moments(end, workspace_, s, own); });
  clock.lap(Phase::kForward);
}

// The shards of a node of rows, those behind the minibatch's end without rows.
template <class T>
template <class Use>
void StepGraph<T>::for_each_shard(std::size_t node, const Use& use) const {
  const std::size_t end = plan_.first_shard(node + 1, x_.rows);
  for (std::size_t s = plan_.first_shard(node, x_.rows); s < end; ++s) use(s, plan_.shard(s, x_.rows));
}

template <class T>
void StepGraph<T>::take_losses(std::size_t node) {
  for_each_shard(node, [&](std::size_t s, RowRange own) {
    const MatrixView<T> delta = workspace_.delta.back().view().row_range(own.first, own.count);
    loss_sums_[s] = own.count == 0 ? 0 : shard_loss(network_.output(workspace_, own), own, delta);
  });
  const RowRange rows = plan_.node_rows(node, x_.rows);
  if (rows.count > 0) network_.apply_output_derivative(state_.parameters.data(), workspace_, rows);
}

template <class T>
bool StepGraph<T>::learns_functions(std::size_t layer) const {
  return network_.layout().layer(layer).learns_functions();
}

template <class T>
LapClock StepGraph<T>::clock_of_functions(std::size_t layer) {
  return LapClock(times_ == nullptr ? nullptr : &times_->functions(layer));
}

template <class T>
void StepGraph<T>::join_moments(std::size_t layer) {
  if (products_only_) return;
  LapClock clock = clock_of_functions(layer);
  workspace_.normalization[layer]->join_moments(state_.parameters.data());
  clock.lap(Phase::kForward);
}

template <class T>
void StepGraph<T>::join_gradient(std::size_t layer) {
  if (products_only_) return;
  LapClock clock = clock_of_functions(layer);
  workspace_.normalization[layer]->join_gradient();
  clock.lap(Phase::kReduction);
}

// The sum of the losses of a shard's rows, and their delta.
template <class T>
double StepGraph<T>::shard_loss(MatrixView<const T> output, RowRange rows, MatrixView<T> delta) const {
  const MatrixView<const T> y = y_.row_range(rows.first, rows.count);
  if (weighted_)
    return weighted_loss_and_delta<T>(objective_.loss, output, y, loss_weights_.data() + rows.first, divisor_, delta,
                                      objective_.smoothing());
  return loss_and_delta<T>(objective_.loss, output, y, static_cast<T>(1 / divisor_), delta, objective_.smoothing());
}

template <class T>
void StepGraph<T>::both_passes(std::size_t node, std::size_t worker) {
  for_each_shard(node, [&](std::size_t s, RowRange rows) { shard_passes(s, rows, worker); });
}

template <class T>
void StepGraph<T>::shard_passes(std::size_t shard, RowRange rows, std::size_t worker) {
  loss_sums_[shard] = 0;
  if (rows.count == 0) return;
  NarrowWorkspace<T>& workspace = *narrow_workspaces_[worker];
  T* const own = shard_gradients_[shard].data();
  if (products_only_) return narrow_.products(state_.parameters.data(), workspace, rows.count, own);
  LapClock clock(times_ == nullptr ? nullptr : &times_->row_node(shard));
  narrow_.forward(state_.parameters.data(), x_.row_range(rows.first, rows.count), workspace);
  loss_sums_[shard] = narrow_.loss_and_delta(rows.count, workspace,
                                             [&](MatrixView<T> by_row) { return shard_loss(by_row, rows, by_row); });
  if (!std::isfinite(loss_sums_[shard])) not_finite_[shard] = narrow_.first_not_finite(workspace, rows.count);
  clock.lap(Phase::kForward);
  narrow_.backward(state_.parameters.data(), workspace, rows.count, own);
  clock.lap(Phase::kBackward);
}

template <class T>
T* StepGraph<T>::shard_gradient(std::size_t layer, std::size_t shard) {
  return shard_gradients_[shard].data() + gradient_offset_[layer];
}

template <class T>
void StepGraph<T>::backward(std::size_t node, std::size_t layer) {
  if (products_only_) return backward_products(node, layer);
  LapClock clock(times_ == nullptr ? nullptr : &times_->row_node(node));
  const RowRange rows = plan_.node_rows(node, x_.rows);
  if (rows.count > 0) backward_rows(node, layer, rows);
  if (layer > 0 && workspace_.normalization[layer - 1])
    for_each_shard(node, [&](std::size_t s, RowRange own) {
      network_.take_normalization_gradient(layer - 1, workspace_, s, own);
    });
  clock.lap(Phase::kBackward);
}

template <class T>
void StepGraph<T>::backward_rows(std::size_t node, std::size_t layer, RowRange rows) {
  network_.backward_through_normalization(state_.parameters.data(), layer, workspace_, rows);
  if (plan_.reductions[layer] == Reduction::kShardGradients) {
    const LayerLayout& shape = network_.layout().layer(layer);
    for_each_shard(node, [&](std::size_t s, RowRange own) {
      if (own.count == 0) return;
      T* const gradient = shard_gradient(layer, s);
      network_.gradient(layer, x_, workspace_, own, 0, {gradient, shape.units, shape.inputs},
                        gradient + (shape.bias_offset - shape.weight_offset));
    });
  }
  if (layer > 0) network_.backward_delta(state_.parameters.data(), layer, workspace_, rows);
}

template <class T>
void StepGraph<T>::update(std::size_t layer, std::size_t tile_index, std::size_t worker) {
  const Tile& tile = plan_.tiles[layer][tile_index];
  if (products_only_) return update_products(tile, worker);
  const std::size_t begun = beside_work_ ? tiles_begun_.fetch_add(1, std::memory_order_relaxed) + 1 : 0;
  LapClock clock(times_ == nullptr ? nullptr : &times_->tile(layer, tile_index));
  const bool whole = plan_.reductions[layer] == Reduction::kWholeMinibatch;
  bool finite = true;
  if (whole)
    for_each_part(tile, [&](const Tile& part) { finite &= update_whole(part, worker, clock); });
  else
    finite = update_sum(tile, clock);
  finite_[layer][tile_index] = static_cast<char>(finite);
  if (beside_work_ && begun + threads() > tile_count_) do_side_work();
}

// Behind one of the last tiles: where all have been begun, there is nothing to do but to wait for them.
template <class T>
void StepGraph<T>::do_side_work() {
  if (tiles_begun_.load(std::memory_order_relaxed) < tile_count_) return;
  while (side_work_->do_piece()) continue;
}

// What a layer's functions learn, unless it must wait for the norm.
template <class T>
void StepGraph<T>::update_functions(std::size_t layer) {
  if (products_only_) return;
  LapClock clock = clock_of_functions(layer);
  if (auto& normalization = workspace_.normalization[layer]; normalization && !normalization->joins_rows())
    normalization->join_gradient();
  if (auto& prelu = workspace_.prelu[layer]) prelu->join_gradient(x_.rows);
  if (clips_norm_) {
    T* const kept = kept_gradient(layer) - network_.layout().layer(layer).weight_offset;
    for_each_function_gradient(layer, [&](const T* gradient, std::size_t offset, std::size_t count) {
      std::copy_n(gradient, count, kept + offset);
    });
  }
  clock.lap(Phase::kReduction);
  if (!clips_norm_) move_functions(layer);
  clock.lap(Phase::kUpdate);
}

// Behind take_norm().
template <class T>
void StepGraph<T>::update_kept_functions(std::size_t layer) {
  if (products_only_ || !std::isfinite(norm_value_)) return;
  LapClock clock = clock_of_functions(layer);
  move_functions(layer);
  clock.lap(Phase::kUpdate);
}

// Running averages are carried on already: it only remains to see whether they are finite.
template <class T>
void StepGraph<T>::move_functions(std::size_t layer) {
  bool finite = true;
  for_each_function_gradient(layer, [&](const T* gradient, std::size_t offset, std::size_t count) {
    finite &= update_biases(gradient, offset, count);
  });
  for (const LayerTensor& tensor : network_.layout().layer(layer).tensors) {
    if (tensor.learned) continue;
    const T* const running = state_.parameters.data() + tensor.offset;
    finite &= all_finite(running, tensor.size());
    if (ema_) std::copy_n(running, tensor.size(), state_.average.data() + tensor.offset);
  }
  finite_[layer].back() = static_cast<char>(finite);
}

// Calls use(gradient, offset, elements) for each tensor that the layer's functions learn; offset: in the parameters.
template <class T>
template <class Use>
void StepGraph<T>::for_each_function_gradient(std::size_t layer, const Use& use) const {
  const LayerLayout& shape = network_.layout().layer(layer);
  if (const auto& normalization = workspace_.normalization[layer]) {
    use(normalization->weight_gradient(), shape.norm_weight_offset, shape.units);
    use(normalization->bias_gradient(), shape.norm_bias_offset, shape.units);
  }
  if (const auto& prelu = workspace_.prelu[layer])
    use(prelu->slope_gradient(), shape.slope_offset, shape.slope_count());
}

// The parts of a tile whose dW is computed, then updated, at once. Where several threads do, and the layer's inputs,
// which are read anew for each, stay in the second-level cache, they have few units: then dW, and the weights that were
// taken back from others, stand in the first.
template <class T>
template <class Use>
void StepGraph<T>::for_each_part(const Tile& tile, const Use& use) const {
  constexpr std::size_t kFirstLevelBytes = std::size_t{32} * 1024, kSecondLevelBytes = std::size_t{512} * 1024;
  constexpr std::size_t kFewestUnits = 12;
  const std::size_t inputs = network_.layout().layer(tile.layer).inputs;
  std::size_t units = tile.units;
  if (plan_.passes == Passes::kPanels && threads() > 1 && !clips_norm_ &&
      plan_.batch_rows * inputs * sizeof(T) <= kSecondLevelBytes)
    units = std::max(kFirstLevelBytes / (inputs * sizeof(T)), kFewestUnits) / kProductRows * kProductRows;
  for (std::size_t done = 0; done < tile.units; done += units) {
    Tile part = tile;
    part.first_unit += done;
    part.units = std::min(units, tile.units - done);
    use(part);
  }
}

// A part's gradient over the whole minibatch, some inputs at a time, and the update while it is in the cache, unless it
// must wait for the norm.
template <class T>
bool StepGraph<T>::update_whole(const Tile& tile, std::size_t worker, LapClock& clock) {
  const std::size_t end = tile.end(network_.layout().layer(tile.layer).inputs);
  bool finite = true;
  for (std::size_t first = tile.first_input; first < end;) {
    const MatrixView<T> dweight = tile_gradient(tile, worker, first);
    T* const behind = clips_norm_ ? kept_bias_gradient(tile) : dweight.data + dweight.rows * dweight.cols;
    T* const dbias = first == 0 ? behind : nullptr;
    if (dbias != nullptr)
      network_.bias_gradient(tile.layer, workspace_, {0, x_.rows}, tile.first_unit, tile.units, dbias);
    clock.lap(Phase::kBackward);
    if (!clips_norm_) finite &= update_units(tile, first, dweight, dbias);
    clock.lap(Phase::kUpdate);
    first += dweight.cols;
  }
  return finite;
}

// dW of a tile's inputs from this one on, as many as are computed at once, over the whole minibatch.
template <class T>
MatrixView<T> StepGraph<T>::tile_gradient(const Tile& tile, std::size_t worker, std::size_t first_input) {
  const std::size_t inputs = network_.layout().layer(tile.layer).inputs;
  const std::size_t cols = std::min(inputs_at_once(tile, inputs), tile.end(inputs) - first_input);
  T* const kept = clips_norm_ ? kept_gradient(tile.layer) + tile.first_unit * inputs + first_input : nullptr;
  const MatrixView<T> dweight = clips_norm_ ? MatrixView<T>(kept, tile.units, cols, inputs)
                                            : MatrixView<T>(tile_gradients_[worker].data(), tile.units, cols);
  MatrixView<T> next;
  if (threads() > 1 && !products_only_ && !clips_norm_) {  // others have read the weights that are updated then
    const std::size_t first = network_.layout().layer(tile.layer).weight_offset + tile.first_unit * inputs;
    next = {state_.parameters.data() + first + first_input, tile.units, cols, inputs};
  }
  network_.gradient_product(tile.layer, x_, workspace_, {0, x_.rows}, tile.first_unit, first_input, dweight, next);
  return dweight;
}

// A tile's gradient as the sum of the shards', in their order: in the memory of the first.
template <class T>
bool StepGraph<T>::update_sum(const Tile& tile, LapClock& clock) {
  const LayerLayout& shape = network_.layout().layer(tile.layer);
  const std::size_t weights = tile.units * shape.inputs;
  const std::size_t weight = tile.first_unit * shape.inputs;
  const std::size_t bias = shape.bias_offset - shape.weight_offset + tile.first_unit;
  T* const sum = shard_gradient(tile.layer, 0);
  for (std::size_t s = 1; s < plan_.shards && plan_.shard(s, x_.rows).count > 0; ++s) {
    const T* const own = shard_gradient(tile.layer, s);
    add_to(sum + weight, own + weight, weights);
    add_to(sum + bias, own + bias, tile.units);
  }
  clock.lap(Phase::kReduction);
  const bool finite = clips_norm_ || update_tile(tile);
  clock.lap(Phase::kUpdate);
  return finite;
}

// Squares of the tile's share of its layer's gradient, which all tiles have left in memory.
template <class T>
void StepGraph<T>::measure(std::size_t layer, std::size_t tile) {
  if (products_only_) return;
  LapClock clock(times_ == nullptr ? nullptr : &times_->tile(layer, tile));
  norm_.measure(layer, kept_gradient(layer), tile, plan_.tiles[layer].size());
  clock.lap(Phase::kReduction);
}

template <class T>
void StepGraph<T>::take_norm() {
  if (products_only_) return;
  norm_value_ = norm_.value();
  context_.gradient_scale = clipped_scale(norm_value_, *optimizer_.options().clip_grad_norm);
  if (std::isfinite(norm_value_)) return;
  for (std::size_t l = 0; l < finite_.size(); ++l) std::ranges::fill(finite_[l], static_cast<char>(norm_.is_finite(l)));
}

// Behind take_norm(). Where there is no norm, there is nothing that parameters could be moved by.
template <class T>
void StepGraph<T>::update_kept(std::size_t layer, std::size_t tile) {
  if (products_only_ || !std::isfinite(norm_value_)) return;
  LapClock clock(times_ == nullptr ? nullptr : &times_->tile(layer, tile));
  finite_[layer][tile] = static_cast<char>(update_tile(plan_.tiles[layer][tile]));
  clock.lap(Phase::kUpdate);
}

// Where a layer's gradient is as long as it is kept: its sum over shards in the memory of the first.
template <class T>
T* StepGraph<T>::kept_gradient(std::size_t layer) {
  if (plan_.reductions[layer] == Reduction::kShardGradients) return shard_gradient(layer, 0);
  return whole_gradients_.data() + gradient_offset_[layer];
}

template <class T>
T* StepGraph<T>::kept_bias_gradient(const Tile& tile) {
  const LayerLayout& shape = network_.layout().layer(tile.layer);
  return kept_gradient(tile.layer) + (shape.bias_offset - shape.weight_offset) + tile.first_unit;
}

// From the gradient that is kept.
template <class T>
bool StepGraph<T>::update_tile(const Tile& tile) {
  const std::size_t inputs = network_.layout().layer(tile.layer).inputs;
  const T* const dweight = kept_gradient(tile.layer) + tile.first_unit * inputs + tile.first_input;
  const T* const dbias = tile.first_input == 0 ? kept_bias_gradient(tile) : nullptr;
  return update_units(tile, tile.first_input, {dweight, tile.units, tile.end(inputs) - tile.first_input, inputs},
                      dbias);
}

// A narrow network's whole block at once: its tensors are too small to be taken one by one. Gaps hold zeros everywhere.
template <class T>
void StepGraph<T>::update_all() {
  if (products_only_) return;
  LapClock clock(times_ == nullptr ? nullptr : &times_->tile(0, 0));
  const ParameterLayout& layout = network_.layout();
  T* const gradient = shard_gradients_[0].data();
  for (std::size_t s = 1; s < plan_.shards && plan_.shard(s, x_.rows).count > 0; ++s)
    add_to(gradient, shard_gradients_[s].data(), layout.size());
  if (clips_norm_) {
    for (std::size_t l = 0; l < layout.depth(); ++l) norm_.measure(l, kept_gradient(l));
    take_norm();
  }
  clock.lap(Phase::kReduction);
  if (!std::isfinite(norm_value_)) return;
  const bool finite = update_block(gradient);
  for (std::size_t l = 0; l < layout.depth(); ++l)
    std::ranges::fill(finite_[l], static_cast<char>(finite || is_layer_finite(l, gradient)));
  clock.lap(Phase::kUpdate);
}

// All parameters from a gradient laid out as they are.
template <class T>
bool StepGraph<T>::update_block(const T* gradient) {
  const ParameterLayout& layout = network_.layout();
  if (optimizer_.options().decay_biases) return update_range(context_, gradient, 0, layout.size());
  bool finite = true;
  for (std::size_t l = 0; l < layout.depth(); ++l) {
    const LayerLayout& layer = layout.layer(l);
    finite &= update_range(context_, gradient + layer.weight_offset, layer.weight_offset, layer.units * layer.inputs);
    finite &= update_biases(gradient + layer.bias_offset, layer.bias_offset, layer.units);
  }
  return finite;
}

// What an update looked at, of one layer: its parameters, states and gradient.
template <class T>
bool StepGraph<T>::is_layer_finite(std::size_t layer, const T* gradient) const {
  const std::size_t first = network_.layout().layer(layer).weight_offset;
  const std::size_t count = network_.layout().elements_of_layer(layer);
  return all_finite(state_.parameters.data() + first, count) && all_finite(gradient + first, count) &&
         std::ranges::all_of(state_.optimizer,
                             [&](const auto& state) { return all_finite(state.second.data() + first, count); });
}

// The tile's weights of inputs [first_input, first_input + dweight.cols), and its biases where there is a gradient of
// theirs. False where a new parameter is NaN or Inf.
template <class T>
bool StepGraph<T>::update_units(const Tile& tile, std::size_t first_input, MatrixView<const T> dweight,
                                const T* dbias) {
  const LayerLayout& shape = network_.layout().layer(tile.layer);
  bool finite = dbias == nullptr || update_biases(dbias, shape.bias_offset + tile.first_unit, tile.units);
  const std::size_t offset = shape.weight_offset + tile.first_unit * shape.inputs + first_input;
  if (dweight.cols == shape.inputs)  // then units follow each other
    return update_range(context_, dweight.data, offset, tile.units * shape.inputs) && finite;
  for (std::size_t u = 0; u < tile.units; ++u)
    finite &= update_range(context_, dweight.row(u).data(), offset + u * shape.inputs, dweight.cols);
  return finite;
}

template <class T>
void StepGraph<T>::forward_products(std::size_t node) {
  const RowRange rows = plan_.node_rows(node, x_.rows);
  if (rows.count == 0) return;
  for (std::size_t l = 0; l < plan_.tiles.size(); ++l)
    network_.forward_product(state_.parameters.data(), l, x_, workspace_, rows);
}

template <class T>
void StepGraph<T>::backward_products(std::size_t node, std::size_t layer) {
  const RowRange rows = plan_.node_rows(node, x_.rows);
  if (rows.count == 0) return;
  if (plan_.reductions[layer] == Reduction::kShardGradients) {
    const LayerLayout& shape = network_.layout().layer(layer);
    for_each_shard(node, [&](std::size_t s, RowRange own) {
      if (own.count > 0)
        network_.gradient_product(layer, x_, workspace_, own, 0, 0,
                                  {shard_gradient(layer, s), shape.units, shape.inputs});
    });
  }
  if (layer > 0) network_.delta_product(state_.parameters.data(), layer, workspace_, rows);
}

template <class T>
void StepGraph<T>::update_products(const Tile& tile, std::size_t worker) {
  if (plan_.reductions[tile.layer] != Reduction::kWholeMinibatch) return;
  const std::size_t end = tile.end(network_.layout().layer(tile.layer).inputs);
  for_each_part(tile, [&](const Tile& part) {
    for (std::size_t first = tile.first_input; first < end;) first += tile_gradient(part, worker, first).cols;
  });
}

template <class T>
bool StepGraph<T>::update_biases(const T* gradient, std::size_t offset, std::size_t count) {
  UpdateContext context = context_;
  context.penalized = optimizer_.options().decay_biases;
  return update_range(context, gradient, offset, count);
}

template <class T>
bool StepGraph<T>::update_range(const UpdateContext& context, const T* gradient, std::size_t offset,
                                std::size_t count) {
  T* state[Optimizer<T>::kMostStates];
  const std::size_t states = state_.optimizer.size();
  for (std::size_t k = 0; k < states; ++k) state[k] = state_.optimizer[k].second.data() + offset;
  const bool finite = optimizer_.update(context, state_.parameters.data() + offset, gradient, {state, states}, count);
  if (ema_) update_average(offset, count);
  return finite;
}

template <class T>
void StepGraph<T>::update_average(std::size_t offset, std::size_t count) {
  const T* const parameters = state_.parameters.data() + offset;
  T* const average = state_.average.data() + offset;
  if (context_.step == 1)
    std::copy_n(parameters, count, average);
  else
    move_average(average, parameters, *ema_, count);
}

// The first layer whose activations of the last step are not finite; the number of layers where there is none.
template <class T>
std::size_t StepGraph<T>::first_layer_not_finite() const {
  std::size_t first = plan_.tiles.size();
  if (plan_.passes == Passes::kNarrow) {  // each shard looked while it still had them
    for (std::size_t s = 0; s < plan_.shards; ++s)
      if (!std::isfinite(loss_sums_[s])) first = std::min(first, not_finite_[s]);
    return first;
  }
  for (std::size_t l = 0; l < first; ++l) {
    const MatrixView<const T> a = workspace_.activation[l].view();
    for (std::size_t r = 0; r < x_.rows; ++r)
      if (!all_finite(a.row(r).data(), a.cols)) return l;
  }
  return first;
}

template <class T>
int StepGraph<T>::diverged_layer() const {
  double sum = 0;
  for (const double shard_sum : loss_sums_) sum += shard_sum;
  if (!std::isfinite(sum)) {
    const std::size_t first = first_layer_not_finite();
    if (first < plan_.tiles.size()) return static_cast<int>(first);
    return static_cast<int>(plan_.tiles.size()) - 1;  // finite outputs whose loss overflows
  }
  for (std::size_t l = 0; l < finite_.size(); ++l)
    if (std::any_of(finite_[l].begin(), finite_[l].end(), [](char f) { return f == 0; })) return static_cast<int>(l);
  // The norm of finite parts can still be too large for a number: no layer stands out then.
  return std::isfinite(norm_value_) ? -1 : 0;
}

template class StepGraph<float>;
template class StepGraph<double>;

}  // namespace gradloom
