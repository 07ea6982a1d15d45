#pragma once

#include <nlohmann/json.hpp>
#include <string>

/// What files hold, as JSON in a stable order of keys, and as text for a person made from that JSON alone.
namespace gradloom {

/// CheckpointError where the file is not whole.
nlohmann::ordered_json describe_checkpoint(const std::string& path);
std::string checkpoint_text(const nlohmann::ordered_json& description);

/// Every HDF5 data set's shape, type and storage; statistics of the columns of /x and /y, streamed and the same for any
/// number of threads; and what training on them needs. DataError where the file cannot be read.
nlohmann::ordered_json describe_dataset(const std::string& path, std::size_t threads);
/// Some columns and classes of those that there are, and a summary.
std::string dataset_text(const nlohmann::ordered_json& description);

/// Reads every row of /x and /y, and returns a line that says what the file is. DataError where `train` could not read
/// it: sets absent or of the wrong shape, chunks damaged, NaN or Inf (row and column are named).
std::string verify_dataset(const std::string& path);

}  // namespace gradloom
