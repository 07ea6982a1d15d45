#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/parallel.hpp"
#include "engine/core/side_work.hpp"
#include "engine/nn/narrow_network.hpp"
#include "engine/nn/network.hpp"
#include "engine/nn/objective.hpp"
#include "engine/optim/optimizer.hpp"
#include "engine/train/gradient_norm.hpp"
#include "engine/train/step_plan.hpp"
#include "engine/train/step_times.hpp"
#include "gradloom/options.hpp"

namespace gradloom {

/// What a run trains: parameters and what belongs to them, flat blocks of one layout.
template <class T>
struct TrainingState {
  AlignedBuffer<T> parameters;
  std::vector<std::pair<std::string, AlignedBuffer<T>>> optimizer;  ///< in the order of Optimizer::state_names()
  AlignedBuffer<T> average{};  ///< of the parameters over the steps, by train.ema; empty without

  /// What validation looks at, and what people deploy.
  [[nodiscard]] const AlignedBuffer<T>& judged() const { return average.size() > 0 ? average : parameters; }
};

/// One step of data-parallel training:
///
///   minibatch ─► forward(n) ─► backward(n, L-1) ─► ... ─► backward(n, 0)        for every node n of rows
///                                    │                          │
///                                    ▼ once all rows are here   ▼
///                              update(L-1, tile)  ...     update(0, tile)       for every tile of the layer
///
/// A batch-norm is two gates on the way, which all rows wait at for each other: before it, for the minibatch's
/// moments, and backward before it, for the sums that its derivative takes.
///
/// A layer's update starts when all rows have delivered that layer's part and none needs its weights any more, while
/// layers before it still run backward. With optimizer.clip-grad-norm no parameter may change before the norm of the
/// whole gradient is known; then `update` leaves the gradient in memory, and behind all of them come
///
///         measure(layer, tile) for every tile ─► take_norm ─► update_kept(layer, tile) for every tile
///
/// Sums are made in shard order, so the result is the same for any thread count.
/// The graph is built once; run() fires it. Steps that are too little work to be spread run the same nodes in the same
/// order on the calling thread. A node of rows has some shards. Of a narrow network both of their passes are one node,
/// and all updates another.
template <class T>
class StepGraph {
 public:
  /// The references must outlive the graph; `state` is what run() changes. `ema`: the decay of state.average, which has
  /// a value then. Each step it becomes decay * average + (1 - decay) * parameters; behind step 1, the parameters: as
  /// torch.optim.swa_utils.AveragedModel(avg_fn) does it where it is updated after every step.
  StepGraph(const Network<T>& network, Objective objective, const Optimizer<T>& optimizer, StepPlan plan,
            TrainingState<T>& state, Arena& arena, std::optional<double> ema = std::nullopt);
  ~StepGraph();
  StepGraph(const StepGraph&) = delete;
  StepGraph& operator=(const StepGraph&) = delete;

  [[nodiscard]] const StepPlan& plan() const { return plan_; }
  /// Threads that a step's work is handed to.
  [[nodiscard]] std::size_t threads() const { return plan_.worth_spreading ? arena_.threads() : 1; }

  /// True where that is every core that the process may run on.
  [[nodiscard]] bool takes_all_cores() const { return threads() > 1 && threads() >= allowed_cores(); }

  /// True where set_side_work() has a use: some threads of a step wait for others, and no core is free.
  [[nodiscard]] bool does_side_work() const { return takes_all_cores() && plan_.passes != Passes::kNarrow; }

  /// Runs one step on a minibatch of at most plan().batch_rows rows and returns its mean loss, taken before the
  /// update. Exceptions of any node come out as themselves; the graph can be run again afterwards. `dropout` is read
  /// where layers drop units. `weights`: of the rows; null: they count alike. Where all weigh 0 there is no loss, 0 is
  /// returned, and the gradient is 0.
  double run(MatrixView<const T> x, MatrixView<const T> y, const UpdateContext& context, const DropoutContext& dropout,
             const double* weights = nullptr);

  /// After run(): what the minibatch's rows counted together; as many as they were where they count alike.
  [[nodiscard]] double weight() const { return weight_; }

  /// The matrix products of a step and nothing else, packing included (BLAS too packs within its products): same graph,
  /// same cut, same threads. For a benchmark; behind a
  /// run() on as many rows, whose deltas it multiplies. Parameters and optimizer state stay as they are.
  void run_products(MatrixView<const T> x);

  /// From here on run() adds to `times` what its work takes; nullptr ends that. `times` is to be made for plan(), and
  /// to outlive its use.
  void set_times(StepTimes* times) { times_ = times; }

  /// From here on run() does all pieces of `work` that there are then, on threads that would wait for the last tiles of
  /// the step, unless the network is narrow; nullptr ends that. `work` is to outlive its use.
  void set_side_work(SideWork* work) { side_work_ = work; }

  /// Bytes of the gradient that is kept for optimizer.clip-grad-norm, but for shards' own.
  [[nodiscard]] std::uint64_t kept_gradient_bytes() const { return sizeof(T) * whole_gradients_.size(); }

  /// After run(): the first layer (in forward order) whose activations, else whose new parameters, hold NaN or Inf; -1
  /// where all is finite. Looks at parameters by flags that the updates left, at activations only where the loss of
  /// the step was not finite.
  [[nodiscard]] int diverged_layer() const;

 private:
  struct Nodes;

  // The verbs of the step; each is the body of one kind of node.
  void forward(std::size_t node, std::size_t stage);
  void join_moments(std::size_t layer);
  void backward(std::size_t node, std::size_t layer);
  void backward_rows(std::size_t node, std::size_t layer, RowRange rows);
  void join_gradient(std::size_t layer);
  void both_passes(std::size_t node, std::size_t worker);
  void shard_passes(std::size_t shard, RowRange rows, std::size_t worker);
  void update(std::size_t layer, std::size_t tile, std::size_t worker);
  void do_side_work();
  void measure(std::size_t layer, std::size_t tile);
  void take_norm();
  void update_kept(std::size_t layer, std::size_t tile);
  void update_functions(std::size_t layer);
  void update_kept_functions(std::size_t layer);
  void move_functions(std::size_t layer);
  void update_all();

  // The same for run_products().
  void forward_products(std::size_t node);
  void backward_products(std::size_t node, std::size_t layer);
  void update_products(const Tile& tile, std::size_t worker);

  void weigh_rows(const double* weights);
  template <class Use>
  void for_each_shard(std::size_t node, const Use& use) const;
  void take_losses(std::size_t node);
  [[nodiscard]] LapClock clock_of_functions(std::size_t layer);
  [[nodiscard]] bool learns_functions(std::size_t layer) const;
  template <class Use>
  void for_each_function_gradient(std::size_t layer, const Use& use) const;
  double shard_loss(MatrixView<const T> output, RowRange rows, MatrixView<T> delta) const;
  void fire();
  template <class Use>
  void for_each_part(const Tile& tile, const Use& use) const;
  bool update_whole(const Tile& tile, std::size_t worker, LapClock& clock);
  bool update_sum(const Tile& tile, LapClock& clock);
  MatrixView<T> tile_gradient(const Tile& tile, std::size_t worker, std::size_t first_input);
  [[nodiscard]] T* shard_gradient(std::size_t layer, std::size_t shard);
  [[nodiscard]] T* kept_gradient(std::size_t layer);
  [[nodiscard]] T* kept_bias_gradient(const Tile& tile);
  bool update_tile(const Tile& tile);
  bool update_units(const Tile& tile, std::size_t first_input, MatrixView<const T> dweight, const T* dbias);
  bool update_block(const T* gradient);
  bool update_biases(const T* gradient, std::size_t offset, std::size_t count);
  bool update_range(const UpdateContext& context, const T* gradient, std::size_t offset, std::size_t count);
  void update_average(std::size_t offset, std::size_t count);
  [[nodiscard]] bool is_layer_finite(std::size_t layer, const T* gradient) const;
  void run_in_order();
  void clip_in_order();
  [[nodiscard]] std::size_t first_layer_not_finite() const;

  // Constant after construction.
  const Network<T>& network_;
  const NarrowNetwork<T> narrow_;
  const Objective objective_;
  const Optimizer<T>& optimizer_;
  const std::optional<double> ema_;  ///< decay
  const StepPlan plan_;
  Arena& arena_;
  const bool clips_norm_;  ///< the whole gradient is kept until its norm is known
  std::size_t tile_count_ = 0;
  std::vector<std::size_t> gates_;  ///< layers with a batch-norm, in forward order: each ends a stage of the passes

  // The step under way: set by run() before any node starts.
  MatrixView<const T> x_;
  MatrixView<const T> y_;
  UpdateContext context_;             ///< its gradient_scale: from take_norm() on
  double weight_ = 0;                 ///< of all rows
  std::vector<double> loss_weights_;  ///< [row]: what it counts, where they do not count alike
  bool weighted_ = false;             ///< they do not
  double divisor_ = 1;                ///< of the sum of the losses
  bool products_only_ = false;
  bool beside_work_ = false;  ///< there was side work when it began
  StepTimes* times_ = nullptr;
  SideWork* side_work_ = nullptr;

  // Written by nodes. Rows of the workspace, loss sums and shard gradients belong to their shard; a narrow workspace,
  // tile_gradients_ to the worker that runs a node; elements of state_ and of finite_ to their tile.
  TrainingState<T>& state_;
  Workspace<T> workspace_;                                              ///< without rows for Passes::kNarrow
  std::vector<std::unique_ptr<NarrowWorkspace<T>>> narrow_workspaces_;  ///< [worker]; empty unless Passes::kNarrow
  std::atomic<std::size_t> tiles_begun_{0};                             ///< of tile_count_; counted where beside_work_
  std::vector<double> loss_sums_;
  std::vector<std::size_t> not_finite_;  ///< [shard]: first layer whose activations are not, of a narrow network
  std::vector<AlignedBuffer<T>> tile_gradients_;   ///< [worker]: some of a tile's, of kWholeMinibatch's layers
  std::vector<AlignedBuffer<T>> shard_gradients_;  ///< [shard]: of kShardGradients' layers; the sum is in the first
  AlignedBuffer<T> whole_gradients_;               ///< of kWholeMinibatch's layers, where clips_norm_
  std::vector<std::size_t> gradient_offset_;       ///< [layer]: where it begins there, laid out as in the parameters
  GradientNorm<T> norm_;                           ///< measured where clips_norm_
  double norm_value_ = 0;                          ///< of this step's gradient, written by take_norm(); else 0
  /// [layer][tile], and behind them what the layer's functions learn: 1 where the last update left finite parameters
  std::vector<std::vector<char>> finite_;

  std::unique_ptr<Nodes> nodes_;
};

}  // namespace gradloom
