#pragma once

#include <cstddef>
#include <string>

#include "gradloom/trainer.hpp"

namespace gradloom {

/// What a checkpoint (file or run folder) or data set file holds, as text for a person or as a JSON object. Statistics
/// of data sets are worked out on `threads` threads (0: all cores allowed to the process), the same for any number.
/// DataError or CheckpointError where it cannot be read.
std::string inspect(const std::string& path, bool json, std::size_t threads = 0);

/// Returns one line that says what the file is where it is whole and `train` or `--resume` can read it; otherwise
/// throws CheckpointError or DataError saying what is wrong and where.
std::string verify(const std::string& path);

/// How the last finished session of a run folder ended, by its metrics.jsonl: step, epoch, samples, seconds, reason.
/// FileError where the log cannot be read or holds no end.
EndReport last_end(const std::string& run_dir);

}  // namespace gradloom
