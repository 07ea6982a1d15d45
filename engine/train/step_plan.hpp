#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "engine/core/rounding.hpp"
#include "engine/nn/layout.hpp"
#include "engine/nn/network.hpp"

namespace gradloom {

/// What a shard's passes are made of.
enum class Passes {
  kNarrow,  ///< narrow_network.hpp: a shard goes through all layers at once, feature by feature
  kPanels,  ///< network.hpp, with the products of panels.hpp
  kBlas,    ///< network.hpp, with CBLAS
};

/// How a layer's gradient is averaged over the minibatch. Both give bits that do not depend on threads; they may
/// differ from each other in rounding.
enum class Reduction {
  /// Every shard computes its own gradient; reduction nodes add them in shard order. Best where there are few shards
  /// or the layer is small: all shards work at once.
  kShardGradients,
  /// A reduction node owns some units of the layer and computes their gradient over all rows of the minibatch in one
  /// product. Best for wide layers: no gradient buffer for each shard, no memory traffic to add them.
  kWholeMinibatch,
};

/// Some consecutive units of a layer, with all of their weights or those of some consecutive inputs: what one reduction
/// node averages and updates. Biases go with the first input.
struct Tile {
  static constexpr std::size_t kAllInputs = static_cast<std::size_t>(-1);
  std::size_t layer = 0;
  std::size_t first_unit = 0;
  std::size_t units = 0;
  std::size_t first_input = 0;
  std::size_t end_input = kAllInputs;

  /// Where its inputs end in a layer of so many.
  [[nodiscard]] std::size_t end(std::size_t inputs) const { return std::min(end_input, inputs); }
};

/// How one step is cut into work. Whatever leaves a trace in the bits is a function of the network's and the
/// minibatch's shape alone, never of the number of threads, so that results do not depend on threads either: passes,
/// reductions, shards (a loss is summed shard by shard), and with CBLAS or by shards every cut. Other cuts suit the
/// threads.
struct StepPlan {
  Passes passes = Passes::kBlas;
  std::size_t batch_rows = 0;            ///< of a full minibatch
  std::size_t shard_rows = 0;            ///< of every shard but the last
  std::size_t shards = 0;                ///< of a full minibatch; the last, smaller one fills fewer
  std::size_t row_nodes = 0;             ///< that shards are handed to, each some consecutive ones
  std::vector<Reduction> reductions;     ///< for each layer
  std::vector<std::vector<Tile>> tiles;  ///< for each layer, in the order of units, then inputs
  bool worth_spreading = false;          ///< false: the step is too little work to be handed to several threads

  /// Rows of shard s in a minibatch of `rows` rows; none where the minibatch ends before it.
  [[nodiscard]] RowRange shard(std::size_t s, std::size_t rows) const;
  /// The shards of node n in a minibatch of `rows` rows are those from here to where the next node's begin. Nodes share
  /// those that have rows; the others are the last node's.
  [[nodiscard]] std::size_t first_shard(std::size_t n, std::size_t rows) const {
    return n == row_nodes ? shards : n * divide_up(rows, shard_rows) / row_nodes;
  }
  /// Rows of node n's shards, which go through a layer as one product; none where the minibatch ends before it.
  [[nodiscard]] RowRange node_rows(std::size_t n, std::size_t rows) const;
};

/// Plans steps of `batch_rows` rows for that many threads. shard_rows 0: chosen by cost. Products::kAuto looks at the
/// machine's instruction set, and at nothing else.
StepPlan plan_step(const ParameterLayout& layout, std::size_t batch_rows, std::size_t shard_rows, Products products,
                   std::size_t threads);

}  // namespace gradloom
