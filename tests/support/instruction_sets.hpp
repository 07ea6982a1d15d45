#pragma once

#include <hwy/targets.h>

#include <cstdint>
#include <vector>

/// Runs body(target) with the engine's kernels held to each instruction set that this machine has, one after the other,
/// the best first; `target` is Highway's number. Afterwards the best one is in use again.
template <class Body>
void with_each_instruction_set(const Body& body) {
  const auto choose = [](std::int64_t targets) {
    hwy::SetSupportedTargetsForTest(targets);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  };
  std::vector<std::int64_t> targets;
  for (std::int64_t rest = hwy::SupportedTargets() & (HWY_SCALAR | HWY_SSE4 | HWY_AVX2 | HWY_AVX3); rest != 0;
       rest &= rest - 1)
    targets.push_back(rest & -rest);
  for (const std::int64_t target : targets) {
    choose(target);
    body(target);
  }
  choose(0);
}
