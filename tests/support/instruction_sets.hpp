#pragma once

// clang-format off
#include "engine/linalg/targets.hpp"  // before Highway counts its targets
#include <hwy/highway.h>
// clang-format on

#include <cstdint>

#include "engine/linalg/kernels.hpp"
#include "support/catch.hpp"

namespace gradloom {

/// While it lives, kernels run on one of the instruction sets that they were compiled for.
class OnTarget {
 public:
  explicit OnTarget(std::int64_t target) { choose(target); }
  ~OnTarget() { choose(0); }
  OnTarget(const OnTarget&) = delete;
  OnTarget& operator=(const OnTarget&) = delete;

 private:
  static void choose(std::int64_t target) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
};

/// Calls body() on each instruction set that kernels are compiled for and that this machine has.
template <class Body>
void on_every_instruction_set(const Body& body) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    const OnTarget on_target(target);
    INFO("instruction set " << instruction_set());
    body();
  }
}

}  // namespace gradloom
