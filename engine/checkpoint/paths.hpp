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
inline std::string weight(std::size_t l) { return layer(l) + "/weight"; }
inline std::string bias(std::size_t l) { return layer(l) + "/bias"; }

inline std::string average_weight(std::size_t l) { return "/average/" + layer_name(l) + "/weight"; }
inline std::string average_bias(std::size_t l) { return "/average/" + layer_name(l) + "/bias"; }

/// Groups that hold the optimizer's state of one parameter, a data set for each state.
inline std::string weight_states(std::size_t l) { return "/optimizer/" + layer_name(l) + "/weight"; }
inline std::string bias_states(std::size_t l) { return "/optimizer/" + layer_name(l) + "/bias"; }
inline std::string weight_state(std::size_t l, const std::string& name) { return weight_states(l) + "/" + name; }
inline std::string bias_state(std::size_t l, const std::string& name) { return bias_states(l) + "/" + name; }

}  // namespace gradloom::paths
