#include "engine/train/run_folder.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

namespace fs = std::filesystem;

std::string folder_of(const Config& config) {
  return config.run.dir.empty() ? fmt::format("runs/{}", config.name) : config.run.dir;
}

// Moves aside step files newer than the one a run goes on from: they are damaged, and by their numbers they would
// outlive the good ones that come.
void set_damaged_aside(const CheckpointStore& store, std::uint64_t after) {
  for (const std::uint64_t step : store.steps()) {
    if (step <= after) continue;
    const fs::path path = store.path_of(step);
    std::error_code ignored;  // a file that cannot be moved is found damaged again next time
    fs::rename(path, path.parent_path() / ("damaged-" + path.filename().string()), ignored);
  }
}

}  // namespace

RunFolder::RunFolder(const Config& config, bool resume)
    : path_(folder_of(config)), resume_(resume), checkpoints_(path_ + "/checkpoints") {
  if (!fs::exists(path_)) return;
  if (!fs::is_directory(path_))
    throw ConfigError(fmt::format("run.dir = {}: a file of that name stands there; choose another run.dir", path_));
  lock();
}

void RunFolder::lock() {
  lock_ = std::make_unique<FileLock>(path_ + "/lock");
  if (!resume_ && (!checkpoints_.steps().empty() || fs::exists(checkpoints_.best_path())))
    throw ConfigError(
        fmt::format("run.dir = {}: holds checkpoints of an earlier run; go on with it by --resume, or "
                    "choose another folder by --run.dir=FOLDER (or remove this one)",
                    path_));
}

std::optional<std::string> RunFolder::find_resume_point(TrainingObserver& observer) const {
  if (!resume_) return std::nullopt;
  const auto tell = [&](const std::string& message) { observer.on_warning(message); };
  if (auto newest = checkpoints_.newest_valid(tell)) return newest;
  if (!fs::exists(checkpoints_.best_path())) return std::nullopt;
  try {
    verify_checkpoint(checkpoints_.best_path());
  } catch (const CheckpointError& damaged) {
    tell(damaged.what());
    return std::nullopt;
  }
  return checkpoints_.best_path();
}

void RunFolder::begin(const Config& config, std::optional<std::uint64_t> from_step) {
  create_folders(checkpoints_.folder());
  if (!lock_) lock();
  checkpoints_.remove_leftovers();
  if (resume_) set_damaged_aside(checkpoints_, from_step.value_or(0));
  write_durably(path_ + "/config.ini", resolved_text(config));
  metrics_ = std::make_unique<MetricsLog>(path_ + "/metrics.jsonl", from_step);
}

void RunFolder::restore_best(const Progress& progress) {
  if (progress.best.empty()) return;
  const std::uint64_t step = progress.best.front().step;
  if (fs::exists(checkpoints_.path_of(step))) checkpoints_.set_best(step);
}

template <class T>
CheckpointWriter<T>::CheckpointWriter(const Config& config, const RunData<T>& data, RunFolder& folder,
                                      TrainingObserver& observer)
    : config_(config),
      data_(data),
      layout_(data.layout(config)),
      config_text_(resolved_text(config)),
      folder_(folder),
      observer_(observer) {}

template <class T>
void CheckpointWriter<T>::save(const TrainingState<T>& state, const Progress& progress, double elapsed_seconds,
                               bool best) {
  CheckpointView<T> view{
      &layout_,      config_.train.loss,     state.parameters.data(),       {},
      &progress,     &data_.standardization, &data_.training.feature_names, &data_.training.class_names,
      &config_text_, elapsed_seconds};
  for (const auto& [name, block] : state.optimizer) view.optimizer.emplace_back(name, block.data());
  folder_.metrics().sync();  // the log must reach as far as the checkpoint that a resume cuts it back to
  const std::string path = folder_.checkpoints().write(progress.step, encode_checkpoint(view));
  observer_.on_checkpoint(path, progress.step);
  retain(progress, best);
}

template <class T>
void CheckpointWriter<T>::retain(const Progress& progress, bool best) {
  const std::size_t keep_best = config_.checkpoint.keep_best;
  if (best && keep_best > 0) folder_.checkpoints().set_best(progress.step);
  std::vector<std::uint64_t> keep_also;
  if (keep_best > 1)  // with 1, best.h5 is enough
    for (const BestEpoch& epoch : progress.best) keep_also.push_back(epoch.step);
  folder_.checkpoints().prune(config_.checkpoint.keep_last, keep_also);
}

template class CheckpointWriter<float>;
template class CheckpointWriter<double>;

}  // namespace gradloom
