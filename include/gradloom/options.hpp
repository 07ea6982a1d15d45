#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gradloom {

/// Element-wise functions after a layer, with PyTorch's definitions and default parameters
/// (leaky-relu slope 0.01, elu alpha 1, gelu exact (erf), softplus beta 1 threshold 20). The slopes of prelu are
/// learned.
enum class Activation {
  kLinear,
  kSigmoid,
  kTanh,
  kRelu,
  kLeakyRelu,
  kElu,
  kGelu,
  kSilu,
  kSoftplus,
  kSelu,
  kMish,
  kHardswish,
  kSoftsign,
  kPrelu
};

/// Losses, means over rows and outputs as PyTorch's MSELoss, L1Loss, HuberLoss (delta 1), BCEWithLogitsLoss,
/// CrossEntropyLoss (mean over rows; targets are class indices).
enum class Loss { kMse, kMae, kHuber, kBinaryCrossEntropy, kCategoricalCrossEntropy };

enum class Initializer { kAuto, kXavierUniform, kXavierNormal, kHeUniform, kHeNormal, kLecunNormal, kNormal, kZeros };

enum class Precision { kFloat32, kFloat64 };
enum class Standardize { kNone, kFeatures, kTargets, kBoth };
/// Order of an epoch's rows: all mixed; mixed within windows as large as memory allows, whose parts come from all over
/// the set (the same as all mixed where the set fits in memory); or as they stand.
enum class Shuffle { kFull, kWindow, kNone };
/// Update rules, as torch.optim defines SGD, Adam, AdamW, RMSprop and Adagrad.
enum class OptimizerType { kSgd, kAdam, kAdamw, kRmsprop, kAdagrad };
/// How the learning rate changes, as PyTorch's StepLR, MultiStepLR, ExponentialLR, CosineAnnealingLR and, with a
/// period, CosineAnnealingWarmRestarts, PolynomialLR, OneCycleLR and ReduceLROnPlateau.
enum class ScheduleType { kConstant, kStep, kMultistep, kExponential, kCosine, kPolynomial, kOneCycle, kPlateau };
/// What a schedule counts.
enum class ScheduleUnit { kStep, kEpoch };
/// The way from one learning rate to another in a one-cycle schedule: half a cosine, or a straight line.
enum class Anneal { kCosine, kLinear };
/// What the threshold of a plateau schedule is: a share of the best value, or a difference to it.
enum class ThresholdMode { kRelative, kAbsolute };

/// Whose matrix products training is made of: Gradloom's own, or CBLAS's. Auto takes the own ones where the machine has
/// a fused multiply-add.
enum class Products { kAuto, kPanels, kBlas };

/// What becomes of a run where a checkpoint cannot be written: it goes on with the old ones standing, or it ends.
enum class OnError { kContinue, kStop };

/// What becomes of a run that produced NaN or Inf: it ends, or goes back to a checkpoint with half the learning rate.
enum class OnDivergence { kStop, kRollback };

/// What brings a layer's outputs to a mean of 0 and a variance of 1, then to a learned one of each unit, as PyTorch's
/// BatchNorm1d (over the rows of a minibatch, running averages outside of training, momentum 0.1) and LayerNorm (over
/// the units of a row); epsilon 1e-5 both.
enum class Normalization { kNone, kBatchNorm, kLayerNorm };
/// Where: between the weights and the activation, or between the activation and dropout.
enum class NormPlace { kBeforeActivation, kBehindActivation };

/// The slopes that a prelu learns: one of the layer (PyTorch's default), or one of each unit.
enum class Slopes { kOne, kUnits };

/// A dense layer: `units` outputs, then `activation`, then in training dropout as PyTorch's nn.Dropout.
struct LayerSpec {
  std::size_t units = 0;
  Activation activation = Activation::kLinear;
  double dropout = 0;  ///< probability that an output is dropped, in [0, 1); 0 on the output layer
  Normalization normalization = Normalization::kNone;   ///< none on the output layer
  NormPlace norm_place = NormPlace::kBeforeActivation;  ///< so without a normalization
  Slopes slopes = Slopes::kOne;                         ///< so without a prelu
  friend bool operator==(const LayerSpec&, const LayerSpec&) = default;
};

/// "batch-norm relu": activation and normalization, in their order.
std::string functions_of(const LayerSpec& layer);
/// " slopes=units dropout=0.2": what a layer's text has behind its functions where that is not the default.
std::string settings_of(const LayerSpec& layer);

/// The name used in config files and in checkpoints ("leaky-relu").
std::string_view to_string(Activation);
std::string_view to_string(Normalization);
std::string_view to_string(NormPlace);
std::string_view to_string(Slopes);
std::string_view to_string(Loss);
std::string_view to_string(Initializer);
std::string_view to_string(Precision);
std::string_view to_string(Standardize);
std::string_view to_string(Shuffle);
std::string_view to_string(OptimizerType);
std::string_view to_string(ScheduleType);
std::string_view to_string(ScheduleUnit);
std::string_view to_string(Anneal);
std::string_view to_string(ThresholdMode);
std::string_view to_string(Products);
std::string_view to_string(OnError);
std::string_view to_string(OnDivergence);

/// The enumerator of that name; nothing where there is none.
template <class Enum>
std::optional<Enum> from_string(std::string_view name);

/// All names of an enumeration, in its order.
template <class Enum>
std::vector<std::string> enum_names();

/// True for the two cross-entropies: the network's outputs are logits, and targets are labels.
constexpr bool is_classification(Loss loss) {
  return loss == Loss::kBinaryCrossEntropy || loss == Loss::kCategoricalCrossEntropy;
}

/// How many classes a row is one of: `outputs` by categorical cross-entropy, 2 by binary cross-entropy with one output;
/// else 0, for it is of no single class.
constexpr std::size_t class_count(Loss loss, std::size_t outputs) {
  if (loss == Loss::kCategoricalCrossEntropy) return outputs;
  return loss == Loss::kBinaryCrossEntropy && outputs == 1 ? 2 : 0;
}

/// A part of the training rows that is held out as test rows.
struct Fold {
  std::uint64_t number = 1;  ///< from 1
  std::uint64_t count = 2;   ///< of all folds
  bool stratified = false;   ///< each fold has its share of every class
  friend bool operator==(const Fold&, const Fold&) = default;
};

/// "2/5", "2/5 stratified": as data.fold has it.
std::string to_string(const Fold& fold);

}  // namespace gradloom
