#include "engine/train/run_checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/data/row_weights.hpp"
#include "engine/data/source.hpp"
#include "engine/nn/network.hpp"
#include "engine/optim/optimizer.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {

std::string key_place(const Config& config, const std::string& key) {
  const auto origin = config.origins.find(key);
  if (origin == config.origins.end() || origin->second == "default") return key;
  return fmt::format("{}: {}", origin->second, key);
}

namespace {

template <class T>
void require_finite(const Dataset<T>& data, const Matrix<T>& values, const char* side, const std::string& what) {
  for (std::size_t r = 0; r < values.rows(); ++r)
    for (std::size_t c = 0; c < values.cols(); ++c)
      if (!std::isfinite(values(r, c)))
        throw DataError(fmt::format("{} ({}): {} row {}, column {} is {}; remove such rows", what, data.name, side,
                                    data.source_row(r), c, values(r, c)));
}

// Parameters, gradient (another where it is kept for its norm), optimizer state and average, and what a step keeps of a
// minibatch in every layer, deltas included, in bytes.
template <class T>
double training_bytes(const Config& config, const ParameterLayout& layout, std::size_t batch_rows) {
  const auto states = static_cast<double>(make_optimizer<T>(config.optimizer)->state_names().size());
  const double saved = 1 + states + (config.train.ema ? 1 : 0);
  const double blocks = saved + (config.optimizer.clip_grad_norm ? 2 : 1) + 3 * saved;
  double columns = 0;
  for (std::size_t l = 0; l < layout.depth(); ++l)
    columns += static_cast<double>((kept_matrices(layout.layer(l)) + 1) * layout.layer(l).units);
  return sizeof(T) * (blocks * static_cast<double>(layout.size()) + columns * static_cast<double>(batch_rows));
}

}  // namespace

template <class T>
void check_in_memory(const Dataset<T>& data, const std::string& what) {
  if (data.rows() == 0 || data.features() == 0 || data.y.rows() != data.rows())
    throw DataError(fmt::format("{} ({}): x is {} x {} and y {} x {}; both must have the same rows, and not none", what,
                                data.name, data.rows(), data.features(), data.y.rows(), data.y.cols()));
  if (!data.source_rows.empty() && data.source_rows.size() != data.rows())
    throw DataError(fmt::format("{} ({}): {} rows and {} source_rows; leave them out, or give one a row", what,
                                data.name, data.rows(), data.source_rows.size()));
  if (!data.weights.empty() && data.weights.size() != data.rows())
    throw DataError(fmt::format("{} ({}): {} rows and {} weights; leave them out, or give one a row", what, data.name,
                                data.rows(), data.weights.size()));
  for (std::size_t r = 0; r < data.weights.size(); ++r)
    if (const std::string fault = fault_of_weight(data.weights[r]); !fault.empty())
      throw DataError(fmt::format("{} ({}): weight of row {} {}", what, data.name, data.source_row(r), fault));
  require_finite(data, data.x, "x", what);
  require_finite(data, data.y, "y", what);
}

template <class T>
void check_against_training(const RunSet<T>& training, const RunSet<T>& other) {
  if (other.features() != training.features())
    throw DataError(fmt::format("{}: {} features, but the training data ({}) have {}; both must have the same columns",
                                other.name(), other.features(), training.name(), training.features()));
  if (!other.feature_names().empty() && !training.feature_names().empty() &&
      other.feature_names() != training.feature_names())
    throw DataError(
        fmt::format("{}: its feature names differ from those of the training data ({}); both must have "
                    "the same columns in the same order",
                    other.name(), training.name()));
}

template <class T>
void require_some_weight(const RunSet<T>& set) {
  if (set.streamed()) return;  // found when the rows are read
  const std::vector<double>& weights = set.memory().weights;
  if (!weights.empty() && std::ranges::all_of(weights, [](double w) { return w == 0; }))
    throw DataError(set.name() + ": all rows have a weight of 0; give some of them another, or leave the weights out");
}

template <class T>
void require_memory_for_network(const Config& config, const ParameterLayout& layout, std::size_t rows) {
  const double needed = training_bytes<T>(config, layout, std::min(config.train.batch_size, rows));
  const auto usable = static_cast<double>(usable_memory());
  if (needed <= usable) return;
  constexpr double kGiB = 1024.0 * 1024 * 1024;
  throw ConfigError(
      fmt::format("model.layer: training this network ({} parameters) takes {:.1f} GiB of memory, and "
                  "there are {:.1f}; use fewer units or a smaller train.batch-size",
                  layout.parameter_count(), needed / kGiB, usable / kGiB));
}

// A variance takes two rows, as PyTorch says too; the rows that are left for the last minibatch may be one.
template <class T>
void require_rows_for_batch_norm(const Config& config, const RunSet<T>& training) {
  const auto takes = [](const LayerSpec& layer) { return layer.normalization == Normalization::kBatchNorm; };
  if (std::ranges::none_of(config.model.layers, takes)) return;
  const std::uint64_t batch = config.train.batch_size;
  if (batch > 1 && training.rows() % batch != 1) return;
  throw ConfigError(
      fmt::format("{} = {}: {} training rows leave a minibatch of one row, of which batch-norm cannot take a variance; "
                  "use another batch size, or layer-norm",
                  key_place(config, "train.batch-size"), batch, training.rows()));
}

template void check_in_memory(const Dataset<float>&, const std::string&);
template void check_in_memory(const Dataset<double>&, const std::string&);
template void check_against_training(const RunSet<float>&, const RunSet<float>&);
template void check_against_training(const RunSet<double>&, const RunSet<double>&);
template void require_some_weight(const RunSet<float>&);
template void require_some_weight(const RunSet<double>&);
template void require_memory_for_network<float>(const Config&, const ParameterLayout&, std::size_t);
template void require_memory_for_network<double>(const Config&, const ParameterLayout&, std::size_t);
template void require_rows_for_batch_norm(const Config&, const RunSet<float>&);
template void require_rows_for_batch_norm(const Config&, const RunSet<double>&);

}  // namespace gradloom
