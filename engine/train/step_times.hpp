#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <vector>

#include "engine/train/step_plan.hpp"

namespace gradloom {

/// What the work of a step is spent on. Weight gradients are backward work, whoever computes them; reduction is the
/// adding of shard gradients.
enum class Phase { kForward, kBackward, kReduction, kUpdate };
constexpr std::size_t kPhases = 4;

/// Seconds for each phase, by its number.
using PhaseSeconds = std::array<double, kPhases>;

/// Where the nodes of a step put the seconds that they take: a slot for every shard, for every tile and for
/// what every layer's functions learn, so that none is written by two nodes at once. No lock, no allocation after
/// construction.
class StepTimes {
 public:
  struct alignas(64) Slot {  // a cache line: slots are written by different threads
    PhaseSeconds seconds{};
  };

  explicit StepTimes(const StepPlan& plan) : first_tile_{plan.shards} {
    for (const auto& tiles : plan.tiles) first_tile_.push_back(first_tile_.back() + tiles.size());
    slots_.resize(first_tile_.back() + plan.tiles.size());
  }

  /// Of a node of rows, which are at most as many as shards; with Passes::kNarrow, of a shard.
  [[nodiscard]] Slot& row_node(std::size_t n) { return slots_[n]; }
  [[nodiscard]] Slot& tile(std::size_t layer, std::size_t t) { return slots_[first_tile_[layer] + t]; }

  [[nodiscard]] Slot& functions(std::size_t layer) { return slots_[first_tile_.back() + layer]; }

  /// Over all slots: thread-seconds since construction. Not while a step runs.
  [[nodiscard]] PhaseSeconds total() const {
    PhaseSeconds sum{};
    for (const Slot& slot : slots_)
      for (std::size_t p = 0; p < kPhases; ++p) sum[p] += slot.seconds[p];
    return sum;
  }

 private:
  std::vector<std::size_t> first_tile_;  ///< [layer], and the end
  std::vector<Slot> slots_;
};

/// Splits a node's time into laps, each added to one phase of its slot. Without a slot it does nothing.
class LapClock {
 public:
  explicit LapClock(StepTimes::Slot* slot) : slot_(slot) {
    if (slot_ != nullptr) since_ = Clock::now();
  }

  /// Ends a lap, begun at construction or with the lap before.
  void lap(Phase phase) {
    if (slot_ == nullptr) return;
    const auto now = Clock::now();
    slot_->seconds[static_cast<std::size_t>(phase)] += std::chrono::duration<double>(now - since_).count();
    since_ = now;
  }

 private:
  using Clock = std::chrono::steady_clock;
  StepTimes::Slot* slot_;
  Clock::time_point since_;
};

}  // namespace gradloom
