#pragma once

#include <vector>

#include "engine/config/option_table.hpp"

namespace gradloom {

/// A key that only some schedules look at.
struct ScheduleKey {
  Option option;
  std::vector<ScheduleType> used_by;
};

/// All of them, in the order of the help. Each reads `auto`, which stands for no value.
const std::vector<ScheduleKey>& schedule_keys();

}  // namespace gradloom
