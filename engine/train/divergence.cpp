#include "engine/train/divergence.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace gradloom {

template <class T>
std::string divergence_text(std::uint64_t step, const ParameterLayout& layout, std::size_t layer,
                            const MinibatchFeed<T>& feed, const Minibatch<T>& minibatch) {
  constexpr std::size_t kRowsShown = 8;
  const LayerLayout& shape = layout.layer(layer);
  return fmt::format(
      "training diverged in step {} (epoch {}): NaN or Inf in layer_{:03} ({} {}); minibatch of {} rows: "
      "{}{}",
      step, minibatch.epoch + 1, layer, shape.units, functions_of(layout.specs()[layer]), minibatch.rows(),
      fmt::join(feed.source_rows(minibatch, kRowsShown), ", "), minibatch.rows() > kRowsShown ? ", ..." : "");
}

template std::string divergence_text(std::uint64_t, const ParameterLayout&, std::size_t, const MinibatchFeed<float>&,
                                     const Minibatch<float>&);
template std::string divergence_text(std::uint64_t, const ParameterLayout&, std::size_t, const MinibatchFeed<double>&,
                                     const Minibatch<double>&);

}  // namespace gradloom
