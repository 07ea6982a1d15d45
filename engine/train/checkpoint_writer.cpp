#include "engine/train/checkpoint_writer.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "engine/io/folder.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

constexpr std::uint64_t kLogRoom = 64 << 10;  // bytes that log lines may take beside a checkpoint
constexpr auto kBetweenSameWarnings = std::chrono::minutes(1);

std::string size_text(std::uint64_t bytes) {
  constexpr double kKiB = 1024;
  const auto size = static_cast<double>(bytes);
  if (size < kKiB * kKiB) return fmt::format("{:.1f} KiB", size / kKiB);
  if (size < kKiB * kKiB * kKiB) return fmt::format("{:.1f} MiB", size / (kKiB * kKiB));
  return fmt::format("{:.1f} GiB", size / (kKiB * kKiB * kKiB));
}

void require_free(const std::string& folder, std::uint64_t bytes) {
  const auto free = free_bytes(folder);
  if (free && *free < bytes)
    throw FileError(fmt::format("{}: a checkpoint takes {} and {} are free; make room there, or choose another run.dir",
                                folder, size_text(bytes), size_text(*free)));
}

// The calling thread takes what the others leave it, so that a step does not wait for half of its threads while a
// checkpoint is encoded. It cannot starve: where the next checkpoint is due, training waits for this one.
void yield_to_training() {
  constexpr int kNice = 15;  // about a thirtieth of the share of a thread that trains
  const auto self = static_cast<id_t>(::syscall(SYS_gettid));
  ::setpriority(PRIO_PROCESS, self, std::min(::getpriority(PRIO_PROCESS, self) + kNice, 19));
}

}  // namespace

template <class T>
CheckpointWriter<T>::CheckpointWriter(const Config& config, const RunData<T>& data, RunFolder& folder,
                                      TrainingObserver& observer)
    : config_(config),
      data_(data),
      layout_(data.layout(config)),
      config_text_(resolved_text(config)),
      facts_{&layout_,
             config.train.loss,
             make_optimizer<T>(config.optimizer)->state_names(),
             &data.standardization,
             &data.objective.class_weights,
             &data.training.feature_names(),
             &data.training.class_names(),
             &config_text_,
             config.train.label_smoothing,
             config.train.ema.has_value()},
      folder_(folder),
      observer_(observer),
      thread_([this](const std::stop_token& stop) { write_when_asked(stop); }) {}

template <class T>
CheckpointWriter<T>::~CheckpointWriter() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stage_ != Stage::kWriting; });
}

template <class T>
void CheckpointWriter<T>::require_room() const {
  require_free(folder_.path(), checkpoint_bytes(layout_, facts_.states.size() + (facts_.averaged ? 1 : 0), sizeof(T)));
}

template <class T>
void CheckpointWriter<T>::save(const TrainingState<T>& state, const Progress& progress, double elapsed_seconds,
                               bool best) {
  settle();
  folder_.metrics().retry();  // the log is to reach as far as the checkpoint
  snapshot_ = {progress, elapsed_seconds, best};
  const std::string no_image = await_image();
  if (image_) {
    std::vector<const T*> blocks;
    for (const auto& [name, block] : state.optimizer) blocks.push_back(block.data());
    image_->set_tensors(state.parameters.data(), blocks, state.average.data());
  } else {
    outcome_ = {progress.step, "", no_image, ""};
  }
  const std::lock_guard lock(mutex_);
  stage_ = image_ ? Stage::kWriting : Stage::kWritten;
  changed_.notify_all();
}

// Mostly it is there: the next one is made as soon as a write has ended. Returns why there is none, or nothing.
template <class T>
std::string CheckpointWriter<T>::await_image() {
  std::unique_lock lock(mutex_);
  if (!image_wanted_ && !image_) {  // in this order: while one is being made, image_ is the other thread's
    image_wanted_ = true;
    changed_.notify_all();
  }
  changed_.wait(lock, [&] { return !image_wanted_; });
  return image_ ? "" : image_failure_;
}

template <class T>
void CheckpointWriter<T>::drop_image() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !image_wanted_; });
  image_.reset();
}

template <class T>
void CheckpointWriter<T>::poll() {
  if (stage_.load(std::memory_order_acquire) == Stage::kWritten) collect();
  if (const auto& failure = folder_.metrics().failure())
    tell_failure(kLog, *failure + "; its lines wait in memory, where a kill would lose them");
  else
    told_at_[kLog].reset();
}

template <class T>
void CheckpointWriter<T>::settle() {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stage_ != Stage::kWriting; });
  }
  if (stage_ == Stage::kWritten) collect();
}

template <class T>
void CheckpointWriter<T>::finish() {
  finishing_ = true;
  settle();
  drop_image();
  if (!last_failure_.empty()) throw FileError(last_failure_);
  require_best();
}

template <class T>
void CheckpointWriter<T>::require_best() {
  if (const std::string failure = write_late_best(); !failure.empty())
    throw FileError(fmt::format("{}; {}, and --resume goes on from it", failure, standing()));
}

template <class T>
std::string CheckpointWriter<T>::standing() const {
  const auto step = this->safe_step();
  return step ? fmt::format("the checkpoint of step {} stands", *step) : "there is no checkpoint yet";
}

// Tells the outcome of the last write, and makes room for the next.
template <class T>
void CheckpointWriter<T>::collect() {
  stage_ = Stage::kIdle;
  const Outcome outcome = outcome_;
  last_failure_.clear();
  if (outcome.path.empty()) {
    last_failure_ =
        fmt::format("the checkpoint of step {} is not written: {}; {}", outcome.step, outcome.failure, standing());
    observer_.on_checkpoint_failed(outcome.step, outcome.failure);
    return tell_failure(kCheckpoint, last_failure_);
  }
  told_at_[kCheckpoint].reset();
  this->set_safe_step(outcome.step);
  observer_.on_checkpoint(outcome.path, outcome.step);
  if (!outcome.upkeep_failure.empty())
    tell_failure(kUpkeep, outcome.upkeep_failure);
  else
    told_at_[kUpkeep].reset();
}

template <class T>
void CheckpointWriter<T>::tell_failure(Topic topic, const std::string& what) {
  if (finishing_ && (topic != kUpkeep || late_best_)) return;  // finish() decides
  if (config_.checkpoint.on_error == OnError::kStop) throw FileError(what + " (checkpoint.on-error = stop)");
  auto& told_at = told_at_[topic];
  const auto now = Clock::now();
  if (told_at && now - *told_at < kBetweenSameWarnings) return;
  told_at = now;
  observer_.on_warning(what + "; training goes on");
}

template <class T>
void CheckpointWriter<T>::write_when_asked(const std::stop_token& stop) {
  yield_to_training();
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [&] { return image_wanted_ || stage_ == Stage::kWriting; })) {
    const bool write = stage_ == Stage::kWriting;
    lock.unlock();
    if (write)
      outcome_ = write_snapshot();
    else
      make_image();
    lock.lock();
    if (write) stage_ = Stage::kWritten;
    image_wanted_ = write && !finishing_;
    changed_.notify_all();
  }
}

template <class T>
void CheckpointWriter<T>::make_image() {
  try {
    image_ = std::make_unique<CheckpointImage<T>>(facts_);
  } catch (const std::exception& error) {  // told by the thread that trains, where it comes to a save
    image_failure_ = error.what();
  }
}

template <class T>
typename CheckpointWriter<T>::Outcome CheckpointWriter<T>::write_snapshot() {
  Outcome outcome;
  outcome.step = snapshot_.progress.step;
  const bool best = snapshot_.best && config_.checkpoint.keep_best > 0;
  // Before the checkpoint that counts on it: after a kill in between, the best epoch would be one without a file.
  if (!best) outcome.upkeep_failure = write_late_best();
  std::unique_ptr<CheckpointImage<T>> image = std::move(image_);
  bool whole = false;
  try {
    image->complete(snapshot_.progress, snapshot_.elapsed_seconds);
    whole = true;
    require_free(folder_.path(), image->bytes() + kLogRoom);
    folder_.metrics().sync();  // a resume cuts the log back to the checkpoint, so it must reach as far
    outcome.path = folder_.checkpoints().write(outcome.step, image->parts());
  } catch (const std::exception& error) {  // told by the thread that trains
    outcome.failure = error.what();
    if (best && whole) late_best_ = LateBest{outcome.step, std::move(image)};
    return outcome;
  }
  if (best) {
    late_best_ = LateBest{outcome.step, nullptr};
    outcome.upkeep_failure = write_late_best();
  }
  try {
    prune();
  } catch (const std::exception& error) {
    if (!outcome.upkeep_failure.empty()) outcome.upkeep_failure += "; ";
    outcome.upkeep_failure += fmt::format("old checkpoints are not removed: {}", error.what());
  }
  return outcome;
}

template <class T>
void CheckpointWriter<T>::prune() {
  std::vector<std::uint64_t> keep_also;
  if (config_.checkpoint.keep_best > 1)  // with 1, best.h5 is enough
    for (const BestEpoch& epoch : snapshot_.progress.best) keep_also.push_back(epoch.step);
  if (late_best_) keep_also.push_back(late_best_->step);
  if (config_.train.on_divergence == OnDivergence::kRollback) {
    if (is_anchor(config_, snapshot_.progress)) anchor_step_ = snapshot_.progress.step;
    if (!anchor_step_)  // this session has written none yet
      anchor_step_ = newest_anchor();
    if (anchor_step_) keep_also.push_back(*anchor_step_);
  }
  folder_.checkpoints().prune(config_.checkpoint.keep_last, keep_also);
}

template <class T>
std::optional<std::uint64_t> CheckpointWriter<T>::newest_anchor() const {
  const std::vector<std::uint64_t> steps = folder_.checkpoints().steps();
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) try {
      if (is_anchor(config_, checkpoint_progress(folder_.checkpoints().path_of(*step)))) return *step;
    } catch (const CheckpointError&) {  // NOLINT(bugprone-empty-catch): an older one may be whole
    }
  return std::nullopt;
}

// Files that are damaged are set aside on the way.
template <class T>
std::optional<Checkpoint<T>> CheckpointWriter<T>::read_newest_anchor() {
  const std::vector<std::uint64_t> steps = folder_.checkpoints().steps();
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    const std::string path = folder_.checkpoints().path_of(*step);
    try {
      if (is_anchor(config_, checkpoint_progress(path))) return read_checkpoint<T>(path);
    } catch (const CheckpointError& error) {
      observer_.on_warning(error.what());
      set_aside(path);
    }
  }
  return std::nullopt;
}

template <class T>
std::optional<Checkpoint<T>> CheckpointWriter<T>::recall() {
  settle();
  drop_image();
  std::optional<Checkpoint<T>> anchor = read_newest_anchor();
  if (!anchor) return std::nullopt;
  const std::uint64_t step = anchor->progress.step;
  for (const std::uint64_t later : folder_.checkpoints().steps())
    if (later > step) remove_durably(folder_.checkpoints().path_of(later));
  if (late_best_ && late_best_->step > step) late_best_.reset();
  if (config_.checkpoint.keep_best > 0 && !late_best_) folder_.restore_best(anchor->progress, observer_);
  anchor_step_ = step;
  last_failure_.clear();
  this->set_safe_step(step);
  return anchor;
}

template <class T>
Checkpoint<T> CheckpointWriter<T>::recall_best(std::uint64_t step) {
  settle();
  drop_image();
  require_best();
  const std::string path = folder_.checkpoints().best_path();
  const auto refuse = [&](const std::string& what) {
    throw CheckpointError(
        fmt::format("{}: {}, so train.restore-best has no best epoch (step {}) to take over; {}, and with "
                    "train.restore-best = false the run is complete with it",
                    path, what, step, standing()));
  };
  if (!file_exists(path)) refuse("no such file");
  Checkpoint<T> best = read_checkpoint<T>(path);
  if (best.progress.step != step) refuse(fmt::format("is of step {}", best.progress.step));
  return best;
}

// Makes best.h5 stand for the best epoch where it does not yet. Returns why it still does not, or nothing.
template <class T>
std::string CheckpointWriter<T>::write_late_best() {
  if (!late_best_) return "";
  try {
    if (late_best_->image) folder_.checkpoints().write(late_best_->step, late_best_->image->parts());
    late_best_->image.reset();
    folder_.checkpoints().set_best(late_best_->step);
  } catch (const std::exception& error) {
    return fmt::format("best.h5 does not stand for the best epoch (step {}) yet: {}", late_best_->step, error.what());
  }
  late_best_.reset();
  return "";
}

template class CheckpointWriter<float>;
template class CheckpointWriter<double>;

}  // namespace gradloom
