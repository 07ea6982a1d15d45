#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "gradloom/matrix.hpp"
#include "gradloom/options.hpp"

namespace gradloom {

/// ConfigError unless the path ends in .h5 or .csv.
void require_prediction_format(const std::string& path);

/// Calls its argument for predictions of (some rows, outputs), in the order of the rows.
template <class T>
using PredictionSource = std::function<void(const std::function<void(MatrixView<const T>)>&)>;

/// Writes predictions as they come, by the path's extension. `.h5`: /prediction in T's precision, and for
/// classification /label in int32: (rows) for categorical, (rows, outputs) of 0/1 for binary cross-entropy; attribute
/// `classes` on both where names are known. `.csv`: columns `prediction`, or `prediction_0`, ...; for classification a
/// probability `p_CLASS` for each class and a `label` (binary: p_1, or p_0, ... and label_0, ... of several outputs),
/// labels by name where names are known; numbers as short as they can be and still come back as they are.
/// FileError where writing fails; the file appears whole or not at all.
template <class T>
void write_predictions(const std::string& path, Loss loss, std::size_t outputs,
                       const std::vector<std::string>& class_names, const PredictionSource<T>& source);

}  // namespace gradloom
