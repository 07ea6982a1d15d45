#pragma once

#include <vector>

#include "engine/config/option_table.hpp"

namespace gradloom {

/// A key of [optimizer].
struct OptimizerKey {
  Option option;
  std::vector<OptimizerType> used_by;  ///< with any other type it may only have its default
};

/// All of them, in the order of the help.
const std::vector<OptimizerKey>& optimizer_keys();

}  // namespace gradloom
