#include <array>
#include <charconv>
#include <utility>

#include "gradloom/options.hpp"

namespace gradloom {
namespace {

template <class Enum>
struct Names;

template <class Enum, std::size_t N>
using Table = std::array<std::pair<Enum, std::string_view>, N>;

template <>
struct Names<Activation> {
  static constexpr Table<Activation, 14> kTable = {{{Activation::kLinear, "linear"},
                                                    {Activation::kSigmoid, "sigmoid"},
                                                    {Activation::kTanh, "tanh"},
                                                    {Activation::kRelu, "relu"},
                                                    {Activation::kLeakyRelu, "leaky-relu"},
                                                    {Activation::kElu, "elu"},
                                                    {Activation::kGelu, "gelu"},
                                                    {Activation::kSilu, "silu"},
                                                    {Activation::kSoftplus, "softplus"},
                                                    {Activation::kSelu, "selu"},
                                                    {Activation::kMish, "mish"},
                                                    {Activation::kHardswish, "hardswish"},
                                                    {Activation::kSoftsign, "softsign"},
                                                    {Activation::kPrelu, "prelu"}}};
};

template <>
struct Names<Normalization> {
  static constexpr Table<Normalization, 3> kTable = {{{Normalization::kNone, "none"},
                                                      {Normalization::kBatchNorm, "batch-norm"},
                                                      {Normalization::kLayerNorm, "layer-norm"}}};
};

template <>
struct Names<NormPlace> {
  static constexpr Table<NormPlace, 2> kTable = {
      {{NormPlace::kBeforeActivation, "before-activation"}, {NormPlace::kBehindActivation, "behind-activation"}}};
};

template <>
struct Names<Slopes> {
  static constexpr Table<Slopes, 2> kTable = {{{Slopes::kOne, "1"}, {Slopes::kUnits, "units"}}};
};

template <>
struct Names<Loss> {
  static constexpr Table<Loss, 5> kTable = {{{Loss::kMse, "mse"},
                                             {Loss::kMae, "mae"},
                                             {Loss::kHuber, "huber"},
                                             {Loss::kBinaryCrossEntropy, "binary-cross-entropy"},
                                             {Loss::kCategoricalCrossEntropy, "categorical-cross-entropy"}}};
};

template <>
struct Names<Initializer> {
  static constexpr Table<Initializer, 8> kTable = {{{Initializer::kAuto, "auto"},
                                                    {Initializer::kXavierUniform, "xavier-uniform"},
                                                    {Initializer::kXavierNormal, "xavier-normal"},
                                                    {Initializer::kHeUniform, "he-uniform"},
                                                    {Initializer::kHeNormal, "he-normal"},
                                                    {Initializer::kLecunNormal, "lecun-normal"},
                                                    {Initializer::kNormal, "normal"},
                                                    {Initializer::kZeros, "zeros"}}};
};

template <>
struct Names<Precision> {
  static constexpr Table<Precision, 2> kTable = {{{Precision::kFloat32, "float32"}, {Precision::kFloat64, "float64"}}};
};

template <>
struct Names<Standardize> {
  static constexpr Table<Standardize, 4> kTable = {{{Standardize::kNone, "none"},
                                                    {Standardize::kFeatures, "features"},
                                                    {Standardize::kTargets, "targets"},
                                                    {Standardize::kBoth, "both"}}};
};

template <>
struct Names<Shuffle> {
  static constexpr Table<Shuffle, 3> kTable = {
      {{Shuffle::kFull, "full"}, {Shuffle::kWindow, "window"}, {Shuffle::kNone, "none"}}};
};

template <>
struct Names<OptimizerType> {
  static constexpr Table<OptimizerType, 5> kTable = {{{OptimizerType::kSgd, "sgd"},
                                                      {OptimizerType::kAdam, "adam"},
                                                      {OptimizerType::kAdamw, "adamw"},
                                                      {OptimizerType::kRmsprop, "rmsprop"},
                                                      {OptimizerType::kAdagrad, "adagrad"}}};
};

template <>
struct Names<ScheduleType> {
  static constexpr Table<ScheduleType, 8> kTable = {{{ScheduleType::kConstant, "constant"},
                                                     {ScheduleType::kStep, "step"},
                                                     {ScheduleType::kMultistep, "multistep"},
                                                     {ScheduleType::kExponential, "exponential"},
                                                     {ScheduleType::kCosine, "cosine"},
                                                     {ScheduleType::kPolynomial, "polynomial"},
                                                     {ScheduleType::kOneCycle, "one-cycle"},
                                                     {ScheduleType::kPlateau, "plateau"}}};
};

template <>
struct Names<ScheduleUnit> {
  static constexpr Table<ScheduleUnit, 2> kTable = {{{ScheduleUnit::kStep, "step"}, {ScheduleUnit::kEpoch, "epoch"}}};
};

template <>
struct Names<Anneal> {
  static constexpr Table<Anneal, 2> kTable = {{{Anneal::kCosine, "cosine"}, {Anneal::kLinear, "linear"}}};
};

template <>
struct Names<ThresholdMode> {
  static constexpr Table<ThresholdMode, 2> kTable = {
      {{ThresholdMode::kRelative, "relative"}, {ThresholdMode::kAbsolute, "absolute"}}};
};

template <>
struct Names<Products> {
  static constexpr Table<Products, 3> kTable = {
      {{Products::kAuto, "auto"}, {Products::kPanels, "panels"}, {Products::kBlas, "blas"}}};
};

template <>
struct Names<OnError> {
  static constexpr Table<OnError, 2> kTable = {{{OnError::kContinue, "continue"}, {OnError::kStop, "stop"}}};
};

template <>
struct Names<OnDivergence> {
  static constexpr Table<OnDivergence, 2> kTable = {
      {{OnDivergence::kStop, "stop"}, {OnDivergence::kRollback, "rollback"}}};
};

template <class Enum>
std::string_view name_of(Enum value) {
  for (const auto& [key, name] : Names<Enum>::kTable)
    if (key == value) return name;
  return "?";  // unreachable: the tables cover their enumerations
}

}  // namespace

std::string_view to_string(Activation value) { return name_of(value); }
std::string_view to_string(Normalization value) { return name_of(value); }
std::string_view to_string(NormPlace value) { return name_of(value); }
std::string_view to_string(Slopes value) { return name_of(value); }
std::string_view to_string(Loss value) { return name_of(value); }
std::string_view to_string(Initializer value) { return name_of(value); }
std::string_view to_string(Precision value) { return name_of(value); }
std::string_view to_string(Standardize value) { return name_of(value); }
std::string_view to_string(Shuffle value) { return name_of(value); }
std::string_view to_string(OptimizerType value) { return name_of(value); }
std::string_view to_string(ScheduleType value) { return name_of(value); }
std::string_view to_string(ScheduleUnit value) { return name_of(value); }
std::string_view to_string(Anneal value) { return name_of(value); }
std::string_view to_string(ThresholdMode value) { return name_of(value); }
std::string_view to_string(Products value) { return name_of(value); }
std::string_view to_string(OnError value) { return name_of(value); }
std::string_view to_string(OnDivergence value) { return name_of(value); }

std::string functions_of(const LayerSpec& layer) {
  std::string activation(to_string(layer.activation));
  if (layer.normalization == Normalization::kNone) return activation;
  const std::string norm(to_string(layer.normalization));
  return layer.norm_place == NormPlace::kBeforeActivation ? norm + " " + activation : activation + " " + norm;
}

std::string to_string(const Fold& fold) {
  return std::to_string(fold.number) + "/" + std::to_string(fold.count) + (fold.stratified ? " stratified" : "");
}

std::string settings_of(const LayerSpec& layer) {
  std::string text;
  if (layer.slopes != Slopes::kOne) text += " slopes=" + std::string(to_string(layer.slopes));
  if (layer.dropout != 0) {
    std::array<char, 32> number;  // the shortest that reads back the same
    text += " dropout=" + std::string(number.data(), std::to_chars(number.begin(), number.end(), layer.dropout).ptr);
  }
  return text;
}

template <class Enum>
std::optional<Enum> from_string(std::string_view name) {
  for (const auto& [key, known] : Names<Enum>::kTable)
    if (known == name) return key;
  return std::nullopt;
}

template <class Enum>
std::vector<std::string> enum_names() {
  std::vector<std::string> names;
  for (const auto& [key, name] : Names<Enum>::kTable) names.emplace_back(name);
  return names;
}

#define GRADLOOM_INSTANTIATE(Enum)                                  \
  template std::optional<Enum> from_string<Enum>(std::string_view); \
  template std::vector<std::string> enum_names<Enum>()
GRADLOOM_INSTANTIATE(Activation);
GRADLOOM_INSTANTIATE(Normalization);
GRADLOOM_INSTANTIATE(NormPlace);
GRADLOOM_INSTANTIATE(Slopes);
GRADLOOM_INSTANTIATE(Loss);
GRADLOOM_INSTANTIATE(Initializer);
GRADLOOM_INSTANTIATE(Precision);
GRADLOOM_INSTANTIATE(Standardize);
GRADLOOM_INSTANTIATE(Shuffle);
GRADLOOM_INSTANTIATE(OptimizerType);
GRADLOOM_INSTANTIATE(ScheduleType);
GRADLOOM_INSTANTIATE(ScheduleUnit);
GRADLOOM_INSTANTIATE(Anneal);
GRADLOOM_INSTANTIATE(ThresholdMode);
GRADLOOM_INSTANTIATE(Products);
GRADLOOM_INSTANTIATE(OnError);
GRADLOOM_INSTANTIATE(OnDivergence);
#undef GRADLOOM_INSTANTIATE

}  // namespace gradloom
