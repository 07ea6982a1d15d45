#include "engine/train/step_plan.hpp"

#include <algorithm>
#include <utility>

#include "engine/linalg/kernels.hpp"
#include "engine/linalg/narrow.hpp"
#include "engine/nn/narrow_network.hpp"

namespace gradloom {
namespace {

// Threads that a plan makes room for. A constant, not the machine's: shards must not depend on threads.
constexpr std::size_t kParallelism = 16;

// Inputs of a tile: a panel's columns where vectors are longest. Also its units: for fewer of them it would not pay to
// read all of the inputs anew, and to copy them.
constexpr std::size_t kTileMultiple = 64;

// Deltas of more units than this, of all rows of a block, would not stay in the second-level cache.
constexpr std::size_t kMostTileUnits = 512;

// Arithmetic of a tile that is worth cutting in two: threads wait for the last one at the end of a step, and one thread
// finds more of a small one's gradient in its cache.
constexpr double kTileFlops = 4e7;

// Below this much arithmetic, handing work to another thread costs more than it brings (about 20 µs of small
// products against a flow-graph round of 10 µs).
constexpr double kNodeFlops = 1e6;

// Moving one gradient element through memory (written by a shard, read by the reduction) costs as much as this many
// floating-point operations of a product.
constexpr double kFlopsPerMovedElement = 24;

// More rows than this in a shard bring the products nothing, while activations fall out of the cache.
constexpr std::size_t kMostShardRows = 1024;

// Rows of a node of panels: what it reads anew, or packs, is little work beside those, and threads find work to share.
constexpr std::size_t kMostNodeRows = 256;

// Rows, or units, of a CBLAS product: of fewer it wastes the vector units.
constexpr std::size_t kRowMultiple = 16;

// With panels nodes take several shards: many, then, whose borders suit any number of threads.
constexpr std::size_t kPanelShards = 2 * kParallelism;
constexpr std::size_t kFewestPanelRows = 8;

// Elements of the longest vector: rows, or units, that a product with panels takes at once.
constexpr std::size_t kVector = 16;

// Rows in a shard of a narrow network: its gradient is summed over vectors of rows, and of fewer rows the sums across a
// vector would cost as much as the products; of more the activations would leave the first-level caches.
constexpr std::size_t kNarrowRows = 256;
// Shards that a node takes where all threads find work still: each node costs about a microsecond, some ten times less
// than a shard.
constexpr std::size_t kMostNarrowShards = 2;

// Forward, backward to the inputs and weight gradient: three products of 2 flops for each weight and row.
double flops_per_row(const ParameterLayout& layout) { return 6.0 * static_cast<double>(layout.parameter_count()); }

// Even shards, as many as are at most kParallelism of at least `fewest` rows.
std::size_t even_shard_rows(std::size_t batch_rows, std::size_t fewest) {
  const std::size_t shards = std::clamp<std::size_t>(batch_rows / fewest, 1, kParallelism);
  return divide_up(batch_rows, shards);
}

std::size_t choose_narrow_rows(std::size_t batch_rows) {
  const std::size_t rows = std::min(even_shard_rows(batch_rows, kNarrowRows), kNarrowRows);
  return std::min(batch_rows, round_up(rows, kNarrowMultiple));
}

// Whole vectors of rows, unless two halves of the shards would be far from even then: else an even number of even
// shards.
std::size_t choose_panel_rows(const ParameterLayout& layout, std::size_t batch_rows) {
  const auto worth_a_node = static_cast<std::size_t>(kNodeFlops / flops_per_row(layout)) + 1;
  const std::size_t fewest = std::max<std::size_t>(worth_a_node, divide_up(batch_rows, kPanelShards));
  const std::size_t full = std::min<std::size_t>(round_up(fewest, kVector), kMostNodeRows);
  const std::size_t half = divide_up(batch_rows, full) / 2 * full;
  const std::size_t uneven = std::max(half, batch_rows - half) - std::min(half, batch_rows - half);
  if (uneven <= batch_rows / 16) return full;
  const std::size_t pairs = batch_rows / std::max(worth_a_node, kFewestPanelRows) / 2;
  return divide_up(batch_rows, std::clamp<std::size_t>(2 * pairs, 1, kParallelism));
}

std::size_t choose_blas_rows(const ParameterLayout& layout, std::size_t batch_rows) {
  const auto worth_a_node = static_cast<std::size_t>(kNodeFlops / flops_per_row(layout)) + 1;
  const std::size_t for_all_threads = divide_up(batch_rows, kParallelism);
  const std::size_t most = std::max(worth_a_node, for_all_threads);
  const std::size_t rows = std::clamp<std::size_t>(most, kRowMultiple, kMostShardRows);
  const std::size_t shards = divide_up(batch_rows, rows);
  return std::min(batch_rows, round_up(divide_up(batch_rows, shards), kRowMultiple));  // even shards
}

std::size_t choose_shard_rows(Passes passes, const ParameterLayout& layout, std::size_t batch_rows) {
  switch (passes) {
    case Passes::kNarrow:
      return choose_narrow_rows(batch_rows);
    case Passes::kPanels:
      return choose_panel_rows(layout, batch_rows);
    case Passes::kBlas:
      return choose_blas_rows(layout, batch_rows);
  }
  return batch_rows;  // unreachable: the switch covers the enumeration
}

// Panels of few units and many inputs would mostly be multiplications by zeros; of a small network they are still
// cheap.
bool panels_fit(const ParameterLayout& layout) {
  constexpr std::size_t kFewElements = std::size_t{4} << 20;
  std::size_t elements = 0;
  for (std::size_t l = 0; l < layout.depth(); ++l)
    elements += layout.layer(l).inputs * round_up(layout.layer(l).units, kVector);
  return elements <= std::max(2 * layout.size(), kFewElements);
}

// A narrow network's shard goes through all layers in memory of its worker, so whoever asks for large shards gets
// panels.
Passes choose_passes(const ParameterLayout& layout, Products products, std::size_t shard_rows) {
  if (products == Products::kBlas || (products == Products::kAuto && !has_fused_multiply_add())) return Passes::kBlas;
  if (products == Products::kAuto && !panels_fit(layout)) return Passes::kBlas;
  return suits_narrow_network(layout) && shard_rows <= kMostShardRows ? Passes::kNarrow : Passes::kPanels;
}

std::size_t tile_count(const LayerLayout& layer, double flops) {
  const auto worth = static_cast<std::size_t>(flops / kNodeFlops);
  const std::size_t of_16_units = divide_up(layer.units, kVector);
  return std::clamp<std::size_t>(std::min(worth, of_16_units), 1, kParallelism);
}

std::vector<Tile> cut_into_tiles(std::size_t index, const LayerLayout& layer, std::size_t count, std::size_t multiple) {
  const std::size_t units = count == 1 ? layer.units : round_up(divide_up(layer.units, count), multiple);
  std::vector<Tile> tiles;
  for (std::size_t first = 0; first < layer.units; first += units)
    tiles.push_back({index, first, std::min(units, layer.units - first)});
  return tiles;
}

void plan_layer(StepPlan& plan, const ParameterLayout& layout, std::size_t l) {
  const LayerLayout& layer = layout.layer(l);
  const auto elements = static_cast<double>(layer.units * (layer.inputs + 1));
  const double product_flops = 2 * elements * static_cast<double>(plan.batch_rows);
  const double moving_flops = elements * static_cast<double>(plan.shards) * kFlopsPerMovedElement;
  const std::size_t product_tiles = tile_count(layer, product_flops);
  const std::size_t sum_tiles = tile_count(layer, moving_flops);
  const auto at_once = [](std::size_t n) { return static_cast<double>(std::min(n, kParallelism)); };
  const double by_shards = product_flops / at_once(plan.shards) + moving_flops / at_once(sum_tiles);
  const double by_tiles = product_flops / at_once(product_tiles);
  const bool whole = plan.passes != Passes::kNarrow && (plan.shards == 1 || by_tiles <= by_shards);
  plan.reductions.push_back(whole ? Reduction::kWholeMinibatch : Reduction::kShardGradients);
  plan.tiles.push_back(cut_into_tiles(l, layer, whole ? product_tiles : sum_tiles, kRowMultiple));
}

// Cuts each tile by inputs into pieces of about kTileFlops.
void cut_by_inputs(std::vector<Tile>& tiles, const LayerLayout& layer, std::size_t batch_rows) {
  std::vector<Tile> pieces;
  for (const Tile& tile : tiles) {
    const double flops = 2.0 * static_cast<double>(tile.units * layer.inputs) * static_cast<double>(batch_rows);
    const auto parts = std::max<std::size_t>(1, static_cast<std::size_t>(flops / kTileFlops));
    const std::size_t inputs = parts == 1 ? layer.inputs : round_up(divide_up(layer.inputs, parts), kTileMultiple);
    for (std::size_t first = 0; first < layer.inputs; first += inputs)
      pieces.push_back({tile.layer, tile.first_unit, tile.units, first, std::min(first + inputs, layer.inputs)});
  }
  tiles = std::move(pieces);
}

// With panels, cuts leave no trace in the bits. Each node reads all weights, so there are few: as many for each thread,
// which would otherwise wait for each other.
void suit_threads(StepPlan& plan, const ParameterLayout& layout, std::size_t threads) {
  plan.row_nodes = std::min<std::size_t>(plan.shards, threads * divide_up(plan.batch_rows, threads * kMostNodeRows));
  for (std::size_t l = 0; l < layout.depth(); ++l) {
    if (plan.reductions[l] != Reduction::kWholeMinibatch) continue;
    // For one thread few pieces: what reads or copies inputs is then shared by many units. For several more of them:
    // then they wait less for each other's last one.
    const std::size_t fewest = divide_up(layout.layer(l).units, kMostTileUnits);
    const std::size_t pieces = threads == 1 ? 1 : plan.tiles[l].size();
    plan.tiles[l] = cut_into_tiles(l, layout.layer(l), std::max(fewest, pieces), kTileMultiple);
    cut_by_inputs(plan.tiles[l], layout.layer(l), plan.batch_rows);
  }
}

}  // namespace

RowRange StepPlan::shard(std::size_t s, std::size_t rows) const {
  const std::size_t first = std::min(rows, s * shard_rows);
  return {first, std::min(shard_rows, rows - first)};
}

RowRange StepPlan::node_rows(std::size_t n, std::size_t rows) const {
  const std::size_t first = std::min(rows, first_shard(n, rows) * shard_rows);
  return {first, std::min(rows, first_shard(n + 1, rows) * shard_rows) - first};
}

StepPlan plan_step(const ParameterLayout& layout, std::size_t batch_rows, std::size_t shard_rows, Products products,
                   std::size_t threads) {
  StepPlan plan;
  plan.passes = choose_passes(layout, products, std::min(shard_rows, batch_rows));
  plan.batch_rows = batch_rows;
  plan.shard_rows =
      shard_rows == 0 ? choose_shard_rows(plan.passes, layout, batch_rows) : std::min(shard_rows, batch_rows);
  plan.shards = divide_up(batch_rows, plan.shard_rows);
  plan.row_nodes = plan.shards;
  for (std::size_t l = 0; l < layout.depth(); ++l) plan_layer(plan, layout, l);
  plan.worth_spreading = flops_per_row(layout) * static_cast<double>(batch_rows) >= 2 * kNodeFlops &&
                         (plan.passes != Passes::kNarrow || plan.shards > 1);
  if (plan.passes == Passes::kPanels) suit_threads(plan, layout, plan.worth_spreading ? threads : 1);
  if (plan.passes == Passes::kNarrow)
    plan.row_nodes = divide_up(plan.shards, std::clamp<std::size_t>(plan.shards / threads, 1, kMostNarrowShards));
  return plan;
}

}  // namespace gradloom
