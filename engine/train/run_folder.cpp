#include "engine/train/run_folder.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "engine/io/folder.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

namespace fs = std::filesystem;

// A file that cannot be moved is found damaged again next time.
void try_set_aside(const std::string& path, const char* prefix, TrainingObserver& observer) {
  try {
    if (file_exists(path)) set_aside(path, prefix);
  } catch (const FileError& error) {
    observer.on_warning(error.what());
  }
}

// Step files newer than the one that a run goes on from are damaged, and by their numbers they would outlive the good
// ones that come. Where it goes on from none, all are.
void set_damaged_aside(CheckpointStore& store, const std::optional<ResumePoint>& from, TrainingObserver& observer) {
  for (const std::uint64_t step : store.steps())
    if (!from || step > from->step) try_set_aside(store.path_of(step), "damaged", observer);
  if (!from) try_set_aside(store.best_path(), "damaged", observer);
  if (from && from->path == store.best_path()) link_durably(from->path, store.path_of(from->step));
}

// Temporary files of writes that a kill cut off.
void remove_leftovers(const std::string& folder) {
  for (const std::string& name : list_folder(folder))
    if (name.starts_with(".config.ini.tmp-") || name.starts_with(".metrics.jsonl.tmp-") ||
        name.starts_with(".statistics.json.tmp-"))
      remove_durably(fmt::format("{}/{}", folder, name));
}

bool is_whole(const std::string& path, TrainingObserver& observer) {
  try {
    verify_checkpoint(path);
    return true;
  } catch (const CheckpointError& damaged) {
    observer.on_warning(damaged.what());
    return false;
  }
}

}  // namespace

std::string run_dir_of(const Config& config) {
  return config.run.dir.empty() ? fmt::format("runs/{}", config.name) : config.run.dir;
}

RunFolder::RunFolder(const Config& config, bool resume)
    : path_(run_dir_of(config)), resume_(resume), checkpoints_(path_ + "/checkpoints") {
  std::error_code error;
  const fs::file_type type = fs::status(path_, error).type();
  if (type == fs::file_type::not_found) return;
  if (type == fs::file_type::none)
    throw ConfigError(fmt::format("run.dir = {}: {}; choose another run.dir", path_, error.message()));
  if (type != fs::file_type::directory)
    throw ConfigError(fmt::format("run.dir = {}: a file of that name stands there; choose another run.dir", path_));
  lock_ = std::make_unique<FileLock>(path_ + "/lock");
  if (!resume_ && holds_checkpoints())
    throw ConfigError(
        fmt::format("run.dir = {}: holds checkpoints of an earlier run; go on with it by --resume, or "
                    "choose another folder by --run.dir=FOLDER (or remove this one)",
                    path_));
}

bool RunFolder::holds_checkpoints() const {
  return !checkpoints_.steps().empty() || file_exists(checkpoints_.best_path());
}

std::optional<std::string> RunFolder::find_resume_point(TrainingObserver& observer) const {
  if (!resume_) return std::nullopt;
  const auto tell = [&](const std::string& message) { observer.on_warning(message); };
  if (auto newest = checkpoints_.newest_valid(tell)) return newest;
  if (file_exists(checkpoints_.best_path()) && is_whole(checkpoints_.best_path(), observer))
    return checkpoints_.best_path();
  return std::nullopt;
}

void RunFolder::begin(const Config& config, const std::optional<ResumePoint>& from, TrainingObserver& observer) {
  create_folders(checkpoints_.folder());
  if (!lock_) {
    lock_ = std::make_unique<FileLock>(path_ + "/lock");
    if (holds_checkpoints())
      throw ConfigError(
          fmt::format("run.dir = {}: another process has trained there while this one read its data; go on "
                      "with its run by --resume, or choose another run.dir",
                      path_));
  }
  checkpoints_.remove_leftovers();
  remove_leftovers(path_);
  if (resume_) set_damaged_aside(checkpoints_, from, observer);
  write_durably(path_ + "/config.ini", resolved_text(config));
  metrics_ = std::make_unique<MetricsLog>(
      path_ + "/metrics.jsonl", from ? std::optional(LogPosition{from->step, from->rollbacks}) : std::nullopt);
}

void RunFolder::restore_best(const Progress& progress, TrainingObserver& observer) {
  const std::string link = checkpoints_.best_path();
  std::optional<std::uint64_t> stands;
  try {
    if (file_exists(link)) stands = checkpoint_progress(link).step;
  } catch (const CheckpointError& damaged) {
    observer.on_warning(damaged.what());
    try_set_aside(link, "damaged", observer);
  }
  std::optional<std::uint64_t> best;
  if (!progress.best.empty()) best = progress.best.front().step;
  if (stands == best) return;
  if (best && file_exists(checkpoints_.path_of(*best)) && is_whole(checkpoints_.path_of(*best), observer))
    return checkpoints_.set_best(*best);
  if (!stands) return;
  observer.on_warning(fmt::format("{}: is of step {}, but the best epoch up to here is {}; it is set aside", link,
                                  *stands, best ? fmt::format("that of step {}", *best) : "still to come"));
  try_set_aside(link, "other", observer);
}

}  // namespace gradloom
