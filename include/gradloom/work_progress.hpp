#pragma once

#include <cstdint>
#include <string>

namespace gradloom {

/// How far a command is in one of its passes over the data.
struct WorkProgress {
  std::string phase;        ///< "reading", "writing", ...
  std::uint64_t done = 0;   ///< bytes
  std::uint64_t total = 0;  ///< 0: not known, as of standard input
};

}  // namespace gradloom
