#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/data/table_statistics.hpp"
#include "engine/io/hdf5.hpp"
#include "gradloom/options.hpp"

/// What a data set needs before it is trained on, by its statistics and its layout.
namespace gradloom {

/// A data set, and what was found in it.
struct DescribedSet {
  std::string path;  ///< "/x"
  h5::DatasetInfo info;
  std::vector<std::string> names;    ///< of columns; empty, or as many as there are
  std::vector<std::string> classes;  ///< of class indices; may be empty
  TableStatistics table;
};

struct Finding {
  std::string about;  ///< data set
  /// "layout", "rows", "missing", "infinite", "too-large", "constant", "scale", "binary", "classes", "balance"
  std::string kind;
  std::string text;                  ///< what is so, and what to do
  std::vector<std::size_t> columns;  ///< that it is about, where not the whole set is meant
};

struct Verdict {
  std::vector<Finding> findings;
  Standardize standardize = Standardize::kNone;  ///< what to set data.standardize to
};

/// `x` or `y` may be null. `file` is named in commands.
Verdict verdict_of(const std::string& file, const DescribedSet* x, const DescribedSet* y);

}  // namespace gradloom
