#pragma once

#include <cstddef>
#include <string>

#include "engine/nn/layout.hpp"

/// Names of everything within a checkpoint.
namespace gradloom::paths {

inline constexpr const char* kModel = "/model";
inline constexpr const char* kAverage = "/average";  // of the parameters, laid out as kModel
inline constexpr const char* kOptimizer = "/optimizer";
inline constexpr const char* kProgress = "/progress";
inline constexpr const char* kBestScores = "/progress/best_scores";
inline constexpr const char* kBestEpochs = "/progress/best_epochs";
inline constexpr const char* kBestSteps = "/progress/best_steps";
inline constexpr const char* kPreprocessing = "/preprocessing";
inline constexpr const char* kXMean = "/preprocessing/x_mean";
inline constexpr const char* kXScale = "/preprocessing/x_scale";
inline constexpr const char* kYMean = "/preprocessing/y_mean";
inline constexpr const char* kYScale = "/preprocessing/y_scale";
inline constexpr const char* kClassWeights = "/preprocessing/class_weights";
inline constexpr const char* kConfig = "/config";
inline constexpr const char* kEnvironment = "/environment";

inline std::string layer(std::size_t l) { return "/model/" + layer_name(l); }
inline std::string tensor(std::size_t l, const std::string& name) { return layer(l) + "/" + name; }
inline std::string weight(std::size_t l) { return tensor(l, "weight"); }
inline std::string bias(std::size_t l) { return tensor(l, "bias"); }

inline std::string average(std::size_t l, const std::string& tensor) {
  return "/average/" + layer_name(l) + "/" + tensor;
}

/// The group that holds the optimizer's states of one parameter, a data set for each.
inline std::string states(std::size_t l, const std::string& tensor) {
  return "/optimizer/" + layer_name(l) + "/" + tensor;
}
inline std::string state(std::size_t l, const std::string& tensor, const std::string& name) {
  return states(l, tensor) + "/" + name;
}

}  // namespace gradloom::paths
