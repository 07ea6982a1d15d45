#include <fmt/format.h>

#include "engine/checkpoint/checkpoint.hpp"
#include "engine/checkpoint/description.hpp"
#include "engine/checkpoint/format.hpp"
#include "engine/checkpoint/open_checkpoint.hpp"
#include "engine/checkpoint/paths.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

using Json = nlohmann::ordered_json;

Json layers_of(const ParameterLayout& layout) {
  Json layers = Json::array();
  for (std::size_t l = 0; l < layout.depth(); ++l) {
    const LayerLayout& layer = layout.layer(l);
    layers.push_back({{"name", layer_name(l)},
                      {"inputs", layer.inputs},
                      {"units", layer.units},
                      {"activation", to_string(layer.activation)}});
    if (layer.normalization != Normalization::kNone) {
      layers.back()["normalization"] = to_string(layer.normalization);
      layers.back()["norm_place"] = to_string(layer.norm_place);
    }
    if (layer.activation == Activation::kPrelu) layers.back()["slopes"] = to_string(layer.slopes);
    if (layer.dropout > 0) layers.back()["dropout"] = layer.dropout;
  }
  return layers;
}

Json progress_of(const Progress& p) {
  Json best = Json::array();
  for (const BestEpoch& b : p.best) best.push_back({{"score", b.score}, {"epoch", b.epoch}, {"step", b.step}});
  Json progress = {{"step", p.step},
                   {"epoch", p.epoch},
                   {"epoch_step", p.epoch_step},
                   {"seed", p.seed},
                   {"samples_seen", p.samples_seen},
                   {"training_rows", p.training_rows},
                   {"learning_rate", p.learning_rate},
                   {"patience_score", p.patience_score},
                   {"patience_used", p.patience_used},
                   {"best", best}};
  if (p.restored_step) progress["restored_step"] = *p.restored_step;
  if (p.plateau)
    progress["plateau"] = {{"best", p.plateau->best},
                           {"bad_epochs", p.plateau->bad_epochs},
                           {"cooldown_left", p.plateau->cooldown_left},
                           {"scale", p.plateau->scale}};
  return progress;
}

// Attributes are few and known; what another version wrote beside them is left out.
Json environment_of(const std::string& path) {
  const h5::File file = open_checkpoint(path);
  Json environment = Json::object();
  for (const char* name : {"gradloom", "blas", "blas_core_type", "instruction_set", "hdf5", "tbb"})
    if (const auto value = file.string_attribute(paths::kEnvironment, name)) environment[name] = *value;
  if (const auto seconds = file.double_attribute(paths::kEnvironment, "elapsed_seconds"))
    environment["elapsed_seconds"] = *seconds;
  return environment;
}

template <class T>
Json preprocessing_of(const Checkpoint<T>& c) {
  const Standardization& s = c.standardization;
  Json json = Json::object();
  if (s.features()) json["x_mean"] = s.x_mean, json["x_scale"] = s.x_scale;
  if (s.targets()) json["y_mean"] = s.y_mean, json["y_scale"] = s.y_scale;
  if (!c.class_weights.empty()) json["class_weights"] = c.class_weights;
  return json;
}

template <class T>
Json describe(const std::string& path, Precision precision) {
  const Checkpoint<T> c = read_checkpoint<T>(path);
  Json states = Json::array();
  for (const auto& [name, block] : c.optimizer) states.push_back(name);
  Json json = {{"file", path},
               {"kind", "checkpoint"},
               {"format_version", kFormatVersion},
               {"precision", to_string(precision)},
               {"loss", to_string(c.loss)},
               {"inputs", c.layout.inputs()},
               {"outputs", c.layout.outputs()},
               {"parameters", c.layout.parameter_count()},
               {"layers", layers_of(c.layout)},
               {"optimizer_states", states},
               {"feature_names", c.feature_names},
               {"class_names", c.class_names},
               {"progress", progress_of(c.progress)},
               {"preprocessing", preprocessing_of(c)},
               {"environment", environment_of(path)},
               {"config", c.config}};
  if (c.label_smoothing > 0) json["label_smoothing"] = c.label_smoothing;
  if (c.average.size() > 0) json["average"] = true;
  return json;
}

// Normalization and activation, in their order, and settings.
std::string functions_text(const Json& layer) {
  LayerSpec spec;
  spec.activation = *from_string<Activation>(layer["activation"].get<std::string>());
  if (layer.contains("normalization")) {
    spec.normalization = *from_string<Normalization>(layer["normalization"].get<std::string>());
    spec.norm_place = *from_string<NormPlace>(layer["norm_place"].get<std::string>());
  }
  if (layer.contains("slopes")) spec.slopes = *from_string<Slopes>(layer["slopes"].get<std::string>());
  spec.dropout = layer.value("dropout", 0.0);
  return functions_of(spec) + settings_of(spec);
}

std::string progress_text(const Json& p) {
  std::string text =
      fmt::format("progress: step {}, {} whole epochs and {} steps, {} samples seen, {} training rows\n",
                  p["step"].get<std::uint64_t>(), p["epoch"].get<std::uint64_t>(), p["epoch_step"].get<std::uint64_t>(),
                  p["samples_seen"].get<std::uint64_t>(), p["training_rows"].get<std::uint64_t>());
  text += fmt::format("seed: {}; learning rate: {}\n", p["seed"].get<std::uint64_t>(), p["learning_rate"].dump());
  if (p.contains("plateau"))
    text += fmt::format("plateau: best {}, {} bad epochs, {} of cooldown left, learning rate x {}\n",
                        p["plateau"]["best"].dump(), p["plateau"]["bad_epochs"].dump(),
                        p["plateau"]["cooldown_left"].dump(), p["plateau"]["scale"].dump());
  if (p.contains("restored_step"))
    text +=
        fmt::format("restored: the state of step {}, the best epoch's; training ended\n", p["restored_step"].dump());
  for (const Json& b : p["best"])
    text += fmt::format("best: {} in epoch {}, step {}\n", b["score"].dump(), b["epoch"].dump(), b["step"].dump());
  return text;
}

}  // namespace

Json describe_checkpoint(const std::string& path) {
  const Precision precision = checkpoint_precision(path);
  return precision == Precision::kFloat32 ? describe<float>(path, precision) : describe<double>(path, precision);
}

std::string checkpoint_text(const Json& d) {
  const auto text_of = [&](const char* key) { return d[key].get<std::string>(); };
  std::string text = fmt::format("{}: checkpoint, format version {}\n", text_of("file"), d["format_version"].dump());
  text += fmt::format("network: {} inputs, {} parameters in {}, loss {}\n", d["inputs"].dump(), d["parameters"].dump(),
                      text_of("precision"), text_of("loss"));
  if (d.contains("label_smoothing")) text += fmt::format("label smoothing: {}\n", d["label_smoothing"].dump());
  for (const Json& layer : d["layers"])
    text += fmt::format("  {}: {} -> {} {}\n", layer["name"].get<std::string>(), layer["inputs"].dump(),
                        layer["units"].dump(), functions_text(layer));
  for (const Json& state : d["optimizer_states"])
    text += fmt::format("optimizer state: {}\n", state.get<std::string>());
  if (d.contains("average")) text += "average of the parameters: held, and what evaluate and predict use\n";
  text += progress_text(d["progress"]);
  const Json& s = d["preprocessing"];
  const bool of_x = s.contains("x_mean"), of_y = s.contains("y_mean");
  text += fmt::format("standardized: {}\n", of_x && of_y ? "features and targets"
                                            : of_x       ? "features"
                                            : of_y       ? "targets"
                                                         : "nothing");
  if (s.contains("class_weights")) text += fmt::format("class weights: {}\n", s["class_weights"].dump());
  for (const auto& [name, value] : d["environment"].items())
    text += fmt::format("{}: {}\n", name, value.is_string() ? value.get<std::string>() : value.dump());
  return text + "config:\n" + text_of("config");
}

}  // namespace gradloom
