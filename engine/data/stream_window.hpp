#pragma once

#include <cstdint>

namespace gradloom {

/// What decides the order of rows that are streamed; zeros: they are in memory.
struct StreamWindow {
  std::uint64_t block_rows = 0;  ///< rows that stay together on their way into a window
  std::uint64_t blocks = 0;      ///< whose rows are mixed
  friend bool operator==(const StreamWindow&, const StreamWindow&) = default;
};

}  // namespace gradloom
