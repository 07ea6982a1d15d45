#pragma once

#include <string>
#include <vector>

namespace gradloom {

/// Every bit in which two checkpoint files differ under /model, /average, /optimizer and /progress: each group, data
/// set and attribute there, be it known to this program or not; 0 and -0 differ, and so do NaNs of other bits. A line
/// for each object or attribute ("/model/layer_001/weight element 17: 0.5 against 0.25"), the first file's value first;
/// none where the bits are the same. What a file says of config and environment is not compared. CheckpointError where
/// a file is damaged or no checkpoint.
std::vector<std::string> checkpoint_differences(const std::string& first, const std::string& second);

/// What the step and epoch lines of two metrics.jsonl say differently, their times left out, and every line that stands
/// twice, out of order or cut off in either. A line each. FileError where a file cannot be read.
std::vector<std::string> metrics_differences(const std::string& first, const std::string& second);

/// What two runs have of one file.
struct FileComparison {
  std::string name;                      ///< "metrics.jsonl", "step-000000000600.h5"
  std::vector<std::string> differences;  ///< a line each
};

/// Compares two run folders: metrics.jsonl, the step checkpoints that both kept, the last one and best.h5, which both
/// must have or lack. A damaged checkpoint is a difference. Returns an entry for each file that was looked at.
std::vector<FileComparison> compare_runs(const std::string& first, const std::string& second);

}  // namespace gradloom
