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

template <class T>
void copy_state(const TrainingState<T>& from, TrainingState<T>& to) {
  const auto copy = [](const AlignedBuffer<T>& source, AlignedBuffer<T>& target) {
    if (target.size() != source.size()) target = AlignedBuffer<T>(source.size());
    std::copy_n(source.data(), source.size(), target.data());
  };
  copy(from.parameters, to.parameters);
  to.optimizer.resize(from.optimizer.size());
  for (std::size_t k = 0; k < from.optimizer.size(); ++k) {
    to.optimizer[k].first = from.optimizer[k].first;
    copy(from.optimizer[k].second, to.optimizer[k].second);
  }
}

}  // namespace

template <class T>
CheckpointWriter<T>::CheckpointWriter(const Config& config, const RunData<T>& data, RunFolder& folder,
                                      TrainingObserver& observer)
    : config_(config),
      data_(data),
      layout_(data.layout(config)),
      config_text_(resolved_text(config)),
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
  require_free(folder_.path(),
               checkpoint_bytes(layout_, make_optimizer<T>(config_.optimizer)->state_names().size(), sizeof(T)));
}

template <class T>
void CheckpointWriter<T>::save(const TrainingState<T>& state, const Progress& progress, double elapsed_seconds,
                               bool best) {
  settle();
  folder_.metrics().retry();  // the log is to reach as far as the checkpoint
  copy_state(state, snapshot_.state);
  snapshot_.progress = progress;
  snapshot_.elapsed_seconds = elapsed_seconds;
  snapshot_.best = best;
  const std::lock_guard lock(mutex_);
  stage_ = Stage::kWriting;
  changed_.notify_all();
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
  if (!last_failure_.empty()) throw FileError(last_failure_);
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
  while (changed_.wait(lock, stop, [&] { return stage_ == Stage::kWriting; })) {
    lock.unlock();
    outcome_ = write_snapshot();
    lock.lock();
    stage_ = Stage::kWritten;
    changed_.notify_all();
  }
}

template <class T>
typename CheckpointWriter<T>::Outcome CheckpointWriter<T>::write_snapshot() {
  Outcome outcome;
  outcome.step = snapshot_.progress.step;
  const bool best = snapshot_.best && config_.checkpoint.keep_best > 0;
  // Before the checkpoint that counts on it: after a kill in between, the best epoch would be one without a file.
  if (!best) outcome.upkeep_failure = write_late_best();
  bool encoded = false;
  try {
    encode();
    encoded = true;
    require_free(folder_.path(), bytes_.size() + kLogRoom);
    folder_.metrics().sync();  // a resume cuts the log back to the checkpoint, so it must reach as far
    outcome.path = folder_.checkpoints().write(outcome.step, bytes_);
  } catch (const std::exception& error) {  // told by the thread that trains
    outcome.failure = error.what();
    if (best && encoded) late_best_ = LateBest{outcome.step, std::move(bytes_)};
    return outcome;
  }
  if (best) {
    late_best_ = LateBest{outcome.step, {}};
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
void CheckpointWriter<T>::encode() {
  CheckpointView<T> view{&layout_,
                         config_.train.loss,
                         snapshot_.state.parameters.data(),
                         {},
                         &snapshot_.progress,
                         &data_.standardization,
                         &data_.training.feature_names,
                         &data_.training.class_names,
                         &config_text_,
                         snapshot_.elapsed_seconds};
  for (const auto& [name, block] : snapshot_.state.optimizer) view.optimizer.emplace_back(name, block.data());
  encode_checkpoint(view, bytes_);
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
      if (const auto anchor = newest_anchor(nullptr)) anchor_step_ = anchor->progress.step;
    if (anchor_step_) keep_also.push_back(*anchor_step_);
  }
  folder_.checkpoints().prune(config_.checkpoint.keep_last, keep_also);
}

template <class T>
std::optional<Checkpoint<T>> CheckpointWriter<T>::newest_anchor(const OnDamaged& on_damaged) const {
  const std::vector<std::uint64_t> steps = folder_.checkpoints().steps();
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) try {
      auto checkpoint = read_checkpoint<T>(folder_.checkpoints().path_of(*step));
      if (is_anchor(config_, checkpoint.progress)) return checkpoint;
    } catch (const CheckpointError& error) {
      if (on_damaged) on_damaged(*step, error.what());
    }
  return std::nullopt;
}

template <class T>
std::optional<Checkpoint<T>> CheckpointWriter<T>::recall() {
  settle();
  std::optional<Checkpoint<T>> anchor = newest_anchor([&](std::uint64_t step, const std::string& what) {
    observer_.on_warning(what);
    set_aside(folder_.checkpoints().path_of(step));
  });
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

// Makes best.h5 stand for the best epoch where it does not yet. Returns why it still does not, or nothing.
template <class T>
std::string CheckpointWriter<T>::write_late_best() {
  if (!late_best_) return "";
  try {
    if (!late_best_->bytes.empty()) folder_.checkpoints().write(late_best_->step, late_best_->bytes);
    late_best_->bytes.clear();
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
