#pragma once

#include <cstddef>
#include <string>

#include "engine/data/run_set.hpp"
#include "engine/nn/layout.hpp"
#include "gradloom/config.hpp"
#include "gradloom/dataset.hpp"

/// What a run refuses of its data before it trains. Rows that are streamed are looked at when they are read.
namespace gradloom {

/// Where a key's value came from, for the start of a message: "c.ini:7: data.train", or the key alone.
std::string key_place(const Config& config, const std::string& key);

/// What reading a file would have found: DataError where data in memory have no rows or columns, x and y (or
/// source_rows, or weights) of different lengths, NaN or Inf, or a weight that is none. `what` is what messages call
/// them.
template <class T>
void check_in_memory(const Dataset<T>& data, const std::string& what);

/// DataError where the other set has other columns than the training rows.
template <class T>
void check_against_training(const RunSet<T>& training, const RunSet<T>& other);

/// DataError where all rows weigh 0.
template <class T>
void require_some_weight(const RunSet<T>& set);

/// ConfigError where training the network on `rows` rows takes more memory than the machine has.
template <class T>
void require_memory_for_network(const Config& config, const ParameterLayout& layout, std::size_t rows);

/// ConfigError where a network with a batch-norm would get a minibatch of one row.
template <class T>
void require_rows_for_batch_norm(const Config& config, const RunSet<T>& training);

}  // namespace gradloom
