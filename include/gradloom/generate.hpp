#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gradloom {

struct GenerateOptions {
  std::string name;  ///< one of generator_names()
  std::uint64_t rows = 0;
  std::optional<std::size_t> features;  ///< default and least: the set's own
  double noise = 0;                     ///< standard deviation added to targets (spirals, blobs: to the points)
  std::uint64_t seed = 1;
  std::string output;
};

/// Synthetic sets, each with one line of what it is: {"friedman1", "y = 10 sin(pi x0 x1) + ..."}.
std::vector<std::pair<std::string, std::string>> generator_names();

/// Writes a data set file in a stream: memory does not grow with rows, and row r is a function of (seed, r) alone.
/// ConfigError for an unknown name or bad numbers. The output appears whole or not at all.
void generate(const GenerateOptions& options);

}  // namespace gradloom
