#pragma once

#include <cstdint>
#include <string>

#include "engine/data/feed.hpp"
#include "engine/nn/layout.hpp"

namespace gradloom {

/// "training diverged in step 7 (epoch 2): NaN or Inf in layer_001 (3 relu); minibatch of 16 rows: 3, 1, ...". The
/// minibatch is the feed's newest.
template <class T>
std::string divergence_text(std::uint64_t step, const ParameterLayout& layout, std::size_t layer,
                            const MinibatchFeed<T>& feed, const Minibatch<T>& minibatch);

/// What to do about it.
inline constexpr const char* kDivergenceAdvice = "lower optimizer.learning-rate or standardize the data";

}  // namespace gradloom
