#pragma once

#include <string>
#include <vector>

namespace gradloom {

/// Every bit in which two checkpoint files differ under /model, /optimizer and /progress: each group, data set and
/// attribute there, be it known to this program or not; 0 and -0 differ, and so do NaNs of other bits. A line for each
/// object or attribute ("/model/layer_001/weight element 17: 0.5 against 0.25"), the first file's value first; none
/// where the bits are the same. What a file says of config and environment is not compared. CheckpointError where a
/// file is damaged or no checkpoint.
std::vector<std::string> checkpoint_differences(const std::string& first, const std::string& second);

/// What the step and epoch lines of two metrics.jsonl say differently, their times left out, and every line that stands
/// twice, out of order or cut off in either. A line each. FileError where a file cannot be read.
std::vector<std::string> metrics_differences(const std::string& first, const std::string& second);

struct RunComparison {
  std::vector<std::string> compared;     ///< names of the files that were compared
  std::vector<std::string> differences;  ///< a line each, the file's name first; empty where the runs are the same
};

/// Compares two run folders: the step checkpoints that both kept, the last one and best.h5, which both must have, and
/// metrics.jsonl. A damaged checkpoint is a difference.
RunComparison compare_runs(const std::string& first, const std::string& second);

}  // namespace gradloom
