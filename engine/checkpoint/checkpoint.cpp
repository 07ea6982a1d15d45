#include "engine/checkpoint/checkpoint.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <fstream>

#include "engine/checkpoint/format.hpp"
#include "engine/checkpoint/open_checkpoint.hpp"
#include "engine/checkpoint/paths.hpp"
#include "engine/io/hdf5.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

template <class T>
constexpr Precision kPrecisionOf = sizeof(T) == 4 ? Precision::kFloat32 : Precision::kFloat64;

// A checked and open checkpoint, and what every message about it starts with.
struct Reader {
  const std::string& path;
  h5::File file;

  [[noreturn]] void refuse(const std::string& object, const std::string& what) const {
    throw CheckpointError(fmt::format("{}: {} {}", path, object, what));
  }
  void require(bool ok, const std::string& object, const std::string& what) const {
    if (!ok) refuse(object, what);
  }
  template <class Value>
  Value required(std::optional<Value> value, const std::string& object, const char* name) const {
    if (!value) refuse(object, fmt::format("has no attribute {}", name));
    return *std::move(value);
  }
  std::uint64_t whole(const char* object, const char* name) const {
    return required(file.uint_attribute(object, name), object, name);
  }
  double number(const char* object, const char* name) const {
    return required(file.double_attribute(object, name), object, name);
  }
  std::string text(const std::string& object, const char* name) const {
    return required(file.string_attribute(object, name), object, name);
  }
};

// Runs `read` on the open file. Whatever is wrong with a checkpoint's content is a CheckpointError; a system that
// refuses to give the content up is no damage, and stays a FileError.
template <class Read>
auto with_checkpoint(const std::string& path, const Read& read) {
  const Reader reader{path, open_checkpoint(path)};
  try {
    return read(reader);
  } catch (const CheckpointError&) {
    throw;
  } catch (const DataError& error) {
    throw CheckpointError(error.what());
  } catch (const FileError& error) {
    throw CheckpointError(error.what());
  }
}

std::string shape_text(const std::vector<std::uint64_t>& shape) { return fmt::format("({})", fmt::join(shape, ", ")); }

void require_shape(const Reader& in, const std::string& path, const std::vector<std::uint64_t>& expected) {
  const h5::DatasetInfo info = in.file.info(path);
  in.require(info.numeric(), path, fmt::format("holds {}, not numbers", info.type_name()));
  in.require(info.shape == expected, path,
             fmt::format("has shape {} where {} is expected", shape_text(info.shape), shape_text(expected)));
}

Precision precision_of(const Reader& in) {
  const h5::DatasetInfo info = in.file.info(paths::weight(0));
  const auto precision = from_string<Precision>(info.type_name());
  if (!precision)
    in.refuse(paths::weight(0), fmt::format("holds {} where float32 or float64 is expected", info.type_name()));
  return *precision;
}

// Parameters and states are stored in the model's precision: another type would not be what was written.
template <class T>
void read_tensor(const Reader& in, const std::string& path, const std::vector<std::uint64_t>& shape,
                 MatrixView<T> out) {
  require_shape(in, path, shape);
  const std::string type = in.file.info(path).type_name();
  in.require(type == to_string(kPrecisionOf<T>), path,
             fmt::format("holds {} where {} is expected", type, to_string(kPrecisionOf<T>)));
  in.file.read_rows<T>(path, 0, out);
  for (std::size_t i = 0; i < out.rows * out.cols; ++i)
    if (!std::isfinite(out.data[i])) in.refuse(path, fmt::format("holds {} as its element {}", out.data[i], i));
}

// A layer's attribute that names one of an enumeration.
template <class Enum>
Enum read_option(const Reader& in, std::size_t l, const char* attribute) {
  const std::string name = in.text(paths::layer(l), attribute);
  const auto value = from_string<Enum>(name);
  if (!value) in.refuse(paths::layer(l), fmt::format("has the unknown {} '{}'", attribute, name));
  return *value;
}

LayerSpec read_spec(const Reader& in, std::size_t l) {
  const std::vector<std::uint64_t> shape = in.file.info(paths::bias(l)).shape;
  in.require(shape.size() == 1 && shape[0] > 0, paths::bias(l),
             fmt::format("has shape {} where (units) is expected", shape_text(shape)));
  const auto activation = read_option<Activation>(in, l, "activation");
  const double dropout = in.file.double_attribute(paths::layer(l), "dropout").value_or(0);
  in.require(dropout >= 0 && dropout < 1, paths::layer(l), fmt::format("has a dropout of {}", dropout));
  LayerSpec spec{shape[0], activation, dropout};
  if (activation == Activation::kPrelu) spec.slopes = read_option<Slopes>(in, l, "slopes");
  if (in.file.string_attribute(paths::layer(l), "normalization")) {
    spec.normalization = read_option<Normalization>(in, l, "normalization");
    spec.norm_place = read_option<NormPlace>(in, l, "norm_place");
  }
  return spec;
}

// The layers' shapes, each checked against the file before anything is allocated.
ParameterLayout read_layout(const Reader& in) {
  const std::size_t depth = in.file.children(paths::kModel).size();
  in.require(depth > 0, paths::kModel, "holds no layer");
  const std::uint64_t inputs = in.whole(paths::kModel, "inputs");
  std::uint64_t width = inputs;
  std::vector<LayerSpec> specs;
  for (std::size_t l = 0; l < depth; ++l) {
    specs.push_back(read_spec(in, l));
    require_shape(in, paths::weight(l), {specs[l].units, width});
    width = specs[l].units;
  }
  in.require(inputs > 0, paths::kModel, "has no inputs");
  in.require(specs.back().dropout == 0, paths::layer(depth - 1), "is the output layer and has dropout");
  in.require(specs.back().normalization == Normalization::kNone, paths::layer(depth - 1),
             "is the output layer and has a normalization");
  return {inputs, specs};
}

Loss read_loss(const Reader& in) {
  const std::string name = in.text(paths::kModel, "loss");
  const auto loss = from_string<Loss>(name);
  if (!loss) in.refuse(paths::kModel, fmt::format("has the unknown loss '{}'", name));
  return *loss;
}

double read_label_smoothing(const Reader& in, Loss loss) {
  const double smoothing = in.file.double_attribute(paths::kModel, "label_smoothing").value_or(0);
  in.require(smoothing >= 0 && smoothing < 1 && (smoothing == 0 || is_classification(loss)), paths::kModel,
             fmt::format("has a label_smoothing of {} for {}", smoothing, to_string(loss)));
  return smoothing;
}

// A flat block; the path is a function of a layer's index and a tensor's name.
template <class T, class PathOf>
AlignedBuffer<T> read_block(const Reader& in, const ParameterLayout& layout, const PathOf& path_of,
                            bool with_averages) {
  AlignedBuffer<T> block(layout.size(), T{0});
  for (std::size_t l = 0; l < layout.depth(); ++l) {
    for (const LayerTensor& tensor : layout.layer(l).tensors)
      if (with_averages || tensor.learned)
        read_tensor<T>(in, path_of(l, tensor.name), tensor.shape(), ParameterLayout::tensor(block.data(), tensor));
    for (const T variance : layout.running_var(block.data(), l))
      in.require(variance >= 0, path_of(l, "running_var"), fmt::format("holds the variance {}", variance));
  }
  return block;
}

template <class T>
void read_optimizer(const Reader& in, Checkpoint<T>& checkpoint) {
  if (in.file.children(paths::kOptimizer).empty()) return;
  const std::vector<std::string> names = in.file.children(paths::states(0, "weight"));
  for (std::size_t l = 0; l < checkpoint.layout.depth(); ++l)
    for (const LayerTensor& tensor : checkpoint.layout.layer(l).tensors) {
      if (!tensor.learned) continue;
      const std::string group = paths::states(l, tensor.name);
      in.require(in.file.children(group) == names, group, "does not hold the same states as the first layer's weight");
    }
  for (const std::string& name : names)
    checkpoint.optimizer[name] = read_block<T>(
        in, checkpoint.layout, [&](std::size_t l, const char* tensor) { return paths::state(l, tensor, name); }, false);
}

template <class T>
std::vector<T> read_vector(const Reader& in, const std::string& path, std::size_t size) {
  require_shape(in, path, {size});
  std::vector<T> values(size);
  in.file.read_rows<T>(path, 0, {values.data(), size, 1});
  return values;
}

std::vector<BestEpoch> read_best(const Reader& in) {
  const std::vector<std::uint64_t> shape = in.file.info(paths::kBestScores).shape;
  in.require(shape.size() == 1, paths::kBestScores, "is not a list");
  const auto scores = read_vector<double>(in, paths::kBestScores, shape[0]);
  const auto epochs = read_vector<std::int64_t>(in, paths::kBestEpochs, shape[0]);
  const auto steps = read_vector<std::int64_t>(in, paths::kBestSteps, shape[0]);
  std::vector<BestEpoch> best;
  for (std::size_t i = 0; i < scores.size(); ++i)
    best.push_back({scores[i], static_cast<std::uint64_t>(epochs[i]), static_cast<std::uint64_t>(steps[i])});
  return best;
}

std::optional<PlateauState> read_plateau(const Reader& in) {
  if (!in.file.double_attribute(paths::kProgress, "plateau_best")) return std::nullopt;  // of other schedules
  PlateauState plateau;
  plateau.best = in.number(paths::kProgress, "plateau_best");
  plateau.bad_epochs = in.whole(paths::kProgress, "plateau_bad_epochs");
  plateau.cooldown_left = in.whole(paths::kProgress, "plateau_cooldown_left");
  plateau.scale = in.number(paths::kProgress, "plateau_scale");
  in.require(!std::isnan(plateau.best), paths::kProgress, "has NaN as its plateau_best");
  in.require(plateau.scale > 0 && plateau.scale <= 1, paths::kProgress,
             fmt::format("has a plateau_scale of {}", plateau.scale));
  return plateau;
}

Progress read_progress(const Reader& in) {
  const auto whole = [&](const char* name) { return in.whole(paths::kProgress, name); };
  const auto number = [&](const char* name) { return in.number(paths::kProgress, name); };
  Progress progress;
  progress.step = whole("step");
  progress.epoch = whole("epoch");
  progress.epoch_step = whole("epoch_step");
  progress.seed = whole("seed");
  progress.samples_seen = whole("samples_seen");
  progress.training_rows = whole("training_rows");
  const auto optional = [&](const char* name) { return in.file.uint_attribute(paths::kProgress, name).value_or(0); };
  progress.window = {optional("block_rows"), optional("window_blocks")};  // sets in memory have none
  progress.epoch_loss_sum = number("epoch_loss_sum");
  progress.epoch_samples = whole("epoch_samples");
  progress.epoch_weight = in.file
                              .double_attribute(paths::kProgress, "epoch_weight")  // where rows count unequally
                              .value_or(static_cast<double>(progress.epoch_samples));
  progress.best = read_best(in);
  progress.patience_score = number("patience_score");
  progress.patience_used = whole("patience_used");
  progress.rollbacks = optional("rollbacks");  // older files have none
  progress.learning_rate = number("learning_rate");
  progress.restored_step = in.file.uint_attribute(paths::kProgress, "restored_step");
  progress.plateau = read_plateau(in);
  return progress;
}

std::vector<double> read_moments(const Reader& in, const std::string& path, std::size_t size, bool positive) {
  auto values = read_vector<double>(in, path, size);
  for (std::size_t i = 0; i < values.size(); ++i)
    in.require(std::isfinite(values[i]) && (!positive || values[i] > 0), path,
               fmt::format("holds {} as its element {}", values[i], i));
  return values;
}

Standardization read_preprocessing(const Reader& in, const ParameterLayout& layout) {
  Standardization s;
  if (in.file.exists(paths::kXMean)) {
    s.x_mean = read_moments(in, paths::kXMean, layout.inputs(), false);
    s.x_scale = read_moments(in, paths::kXScale, layout.inputs(), true);
  }
  if (in.file.exists(paths::kYMean)) {
    s.y_mean = read_moments(in, paths::kYMean, layout.outputs(), false);
    s.y_scale = read_moments(in, paths::kYScale, layout.outputs(), true);
  }
  return s;
}

std::vector<double> read_class_weights(const Reader& in, Loss loss, const ParameterLayout& layout) {
  if (!in.file.exists(paths::kClassWeights)) return {};
  const std::size_t classes = class_count(loss, layout.outputs());
  in.require(classes > 0, paths::kClassWeights, "belongs to no model of one class a row");
  return read_moments(in, paths::kClassWeights, classes, true);
}

Environment read_environment(const Reader& in) {
  const auto text = [&](const char* name) { return in.text(paths::kEnvironment, name); };
  return {text("gradloom"), text("blas"), text("blas_core_type"), text("instruction_set")};
}

template <class T>
Checkpoint<T> read_content(const Reader& in) {
  if (const Precision found = precision_of(in); found != kPrecisionOf<T>)
    in.refuse("/model",
              fmt::format("is of precision {} where {} is expected", to_string(found), to_string(kPrecisionOf<T>)));
  Checkpoint<T> checkpoint;
  checkpoint.layout = read_layout(in);
  checkpoint.loss = read_loss(in);
  checkpoint.label_smoothing = read_label_smoothing(in, checkpoint.loss);
  checkpoint.parameters = read_block<T>(in, checkpoint.layout, paths::tensor, true);
  if (in.file.exists(paths::kAverage)) checkpoint.average = read_block<T>(in, checkpoint.layout, paths::average, true);
  read_optimizer(in, checkpoint);
  checkpoint.progress = read_progress(in);
  checkpoint.standardization = read_preprocessing(in, checkpoint.layout);
  checkpoint.class_weights = read_class_weights(in, checkpoint.loss, checkpoint.layout);
  checkpoint.feature_names =
      in.file.strings_attribute(paths::kModel, "feature_names").value_or(std::vector<std::string>{});
  checkpoint.class_names = in.file.strings_attribute(paths::kModel, "class_names").value_or(std::vector<std::string>{});
  in.require(
      checkpoint.feature_names.empty() || checkpoint.feature_names.size() == checkpoint.layout.inputs(), paths::kModel,
      fmt::format("has {} feature names for {} inputs", checkpoint.feature_names.size(), checkpoint.layout.inputs()));
  checkpoint.config = in.file.read_string(paths::kConfig);
  checkpoint.elapsed_seconds = in.number(paths::kEnvironment, "elapsed_seconds");
  checkpoint.environment = read_environment(in);
  return checkpoint;
}

}  // namespace

template <class T>
Checkpoint<T> read_checkpoint(const std::string& path) {
  return with_checkpoint(path, [](const Reader& in) { return read_content<T>(in); });
}

Precision checkpoint_precision(const std::string& path) {
  return with_checkpoint(path, [](const Reader& in) { return precision_of(in); });
}

Progress checkpoint_progress(const std::string& path) {
  return with_checkpoint(path, [](const Reader& in) { return read_progress(in); });
}

bool looks_like_checkpoint(const std::string& path) {
  std::array<char, kUserBlockBytes + 8> start{};
  std::ifstream in(path, std::ios::binary);
  in.read(start.data(), start.size());
  return starts_like_checkpoint(std::as_bytes(std::span(start)).first(static_cast<std::size_t>(in.gcount())));
}

void verify_checkpoint(const std::string& path) {
  with_checkpoint(path, [](const Reader& in) {
    if (precision_of(in) == Precision::kFloat32)
      read_content<float>(in);
    else
      read_content<double>(in);
  });
}

template Checkpoint<float> read_checkpoint<float>(const std::string&);
template Checkpoint<double> read_checkpoint<double>(const std::string&);

}  // namespace gradloom
