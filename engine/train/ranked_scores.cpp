#include "engine/train/ranked_scores.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <queue>
#include <span>

namespace gradloom {
namespace {

std::string temporary_folder() {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::temp_directory_path(error);
  return error ? "/tmp" : folder.string();
}

// The area under the ROC curve of scores that come in ascending order: the share of pairs, one of each label, in which
// the one of the label has the higher score. Equal scores are half a pair.
class Area {
 public:
  // weight: below 0 where the label is another.
  void add(double score, double weight) {
    if (score != score_) close();
    score_ = score;
    (weight > 0 ? own_ : others_) += std::abs(weight);
  }
  [[nodiscard]] double value() {
    close();
    const double pairs = all_own_ * others_below_;
    return pairs > 0 ? pairs_ / pairs : std::numeric_limits<double>::quiet_NaN();
  }

 private:
  void close() {
    pairs_ += own_ * (others_below_ + others_ / 2);
    all_own_ += own_;
    others_below_ += others_;
    own_ = others_ = 0;
  }

  double score_ = -1;               // below all
  double own_ = 0, others_ = 0;     // weights of the rows of that score
  double others_below_ = 0;         // of those below it
  double all_own_ = 0, pairs_ = 0;  // so far
};

}  // namespace

// What scores are sorted by.
template <class T>
struct RankedScores<T>::Place {
  T score;
  std::uint32_t row;
  friend bool operator<(const Place& a, const Place& b) {
    return a.score < b.score || (a.score == b.score && a.row < b.row);
  }
};

// Reads one output's scores of a run, some at a time.
template <class T>
class RankedScores<T>::RunReader {
 public:
  RunReader(const ScratchFile& file, std::uint64_t place, std::uint64_t rows, std::size_t at_once)
      : file_(&file), place_(place), left_(rows), buffer_(at_once) {
    fill();
  }
  [[nodiscard]] const Scored& front() const { return buffer_[next_]; }
  // False where that was the last.
  bool advance() { return ++next_ < held_ || fill(); }

 private:
  bool fill() {
    next_ = 0;
    held_ = static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size(), left_));
    const auto bytes = std::as_writable_bytes(std::span(buffer_).first(held_));
    file_->read_at(place_, bytes);
    place_ += bytes.size();
    left_ -= held_;
    return held_ > 0;
  }

  const ScratchFile* file_;
  std::uint64_t place_, left_;
  std::vector<Scored> buffer_;
  std::size_t next_ = 0, held_ = 0;
};

template <class T>
RankedScores<T>::RankedScores(Loss loss, std::size_t outputs, std::uint64_t rows, bool weighted, std::uint64_t bytes,
                              Arena& arena)
    : categorical_(loss == Loss::kCategoricalCrossEntropy),
      outputs_(outputs),
      bytes_(bytes),
      arena_(arena),
      scores_(outputs),
      undefined_(outputs) {
  constexpr std::uint64_t kLeastRows = 1024;
  const std::uint64_t row_bytes = outputs * sizeof(T) + (categorical_ ? sizeof(std::uint32_t) : outputs) +
                                  (weighted ? sizeof(double) : 0) + std::min(arena.threads(), outputs) * sizeof(Place);
  const std::uint64_t most = std::max(bytes / row_bytes, kLeastRows);
  most_rows_ = static_cast<std::size_t>(
      std::min({most, std::max<std::uint64_t>(rows, 1), std::uint64_t{std::numeric_limits<std::uint32_t>::max()}}));
  for (std::vector<T>& column : scores_) column.reserve(most_rows_);
  if (categorical_)
    classes_.reserve(most_rows_);
  else
    labels_.reserve(most_rows_ * outputs);
  if (weighted) weights_.reserve(most_rows_);
}

template <class T>
void RankedScores<T>::add(MatrixView<const T> probabilities, MatrixView<const T> y, const double* weights) {
  std::size_t done = 0;
  while (done < probabilities.rows) {
    if (scores_.front().size() == most_rows_) spill();
    const std::size_t end = done + std::min(probabilities.rows - done, most_rows_ - scores_.front().size());
    for (std::size_t o = 0; o < outputs_; ++o)
      for (std::size_t r = done; r < end; ++r) {
        const T score = probabilities(r, o);
        if (std::isnan(score)) undefined_[o] = 1;
        scores_[o].push_back(std::isnan(score) ? T{0} : score);
      }
    for (std::size_t r = done; r < end; ++r) {
      if (categorical_) classes_.push_back(static_cast<std::uint32_t>(y(r, 0)));
      for (std::size_t o = 0; o < outputs_ && !categorical_; ++o) labels_.push_back(y(r, o) > T{0.5} ? 1 : 0);
      if (weights != nullptr) weights_.push_back(weights[r]);
    }
    done = end;
  }
}

template <class T>
double RankedScores<T>::signed_weight(std::size_t row, std::size_t output) const {
  const bool is_own = categorical_ ? classes_[row] == output : labels_[row * outputs_ + output] != 0;
  const double weight = weights_.empty() ? 1 : weights_[row];
  return is_own ? weight : -weight;
}

template <class T>
std::vector<typename RankedScores<T>::Place> RankedScores<T>::sorted(std::size_t output) const {
  const std::vector<T>& scores = scores_[output];
  std::vector<Place> places(scores.size());
  for (std::size_t r = 0; r < scores.size(); ++r) places[r] = {scores[r], static_cast<std::uint32_t>(r)};
  std::sort(places.begin(), places.end());
  return places;
}

// Sorts what is held into a run of the file.
template <class T>
void RankedScores<T>::spill() {
  if (!scratch_) scratch_ = std::make_unique<ScratchFile>(temporary_folder());
  const std::uint64_t rows = scores_.front().size();
  const std::uint64_t place = runs_.empty() ? 0 : runs_.back().place + runs_.back().rows * outputs_ * sizeof(Scored);
  arena_.for_each(outputs_, [&](std::size_t o) { write_run(place + o * rows * sizeof(Scored), o); });
  runs_.push_back({place, rows});
  for (std::vector<T>& column : scores_) column.clear();
  classes_.clear();
  labels_.clear();
  weights_.clear();
}

template <class T>
void RankedScores<T>::write_run(std::uint64_t place, std::size_t output) const {
  constexpr std::size_t kAtOnce = 4096;
  std::vector<Scored> buffer;
  const auto write = [&] {
    const auto bytes = std::as_bytes(std::span(buffer));
    scratch_->write_at(place, bytes);
    place += bytes.size();
    buffer.clear();
  };
  for (const Place& next : sorted(output)) {
    buffer.push_back({next.score, signed_weight(next.row, output)});
    if (buffer.size() == kAtOnce) write();
  }
  write();
}

template <class T>
std::vector<double> RankedScores<T>::areas() {
  const bool on_file = !runs_.empty();
  if (on_file && !scores_.front().empty()) spill();
  if (on_file) scores_ = std::vector<std::vector<T>>(outputs_);  // their memory is for reading now
  std::vector<double> areas(outputs_);
  arena_.for_each(outputs_, [&](std::size_t o) {
    areas[o] = on_file ? merged_area(o) : area_in_memory(o);
    if (undefined_[o] != 0) areas[o] = std::numeric_limits<double>::quiet_NaN();
  });
  return areas;
}

template <class T>
double RankedScores<T>::area_in_memory(std::size_t output) const {
  Area area;
  for (const Place& next : sorted(output)) area.add(next.score, signed_weight(next.row, output));
  return area.value();
}

// Of equal scores those of the earlier run come first: that is the order of their rows.
template <class T>
double RankedScores<T>::merged_area(std::size_t output) const {
  constexpr std::uint64_t kLeastAtOnce = 256, kMostAtOnce = 65536;
  const std::uint64_t share = bytes_ / (sizeof(Scored) * runs_.size() * std::min(arena_.threads(), outputs_));
  const auto at_once = static_cast<std::size_t>(std::clamp(share, kLeastAtOnce, kMostAtOnce));
  std::vector<RunReader> readers;
  readers.reserve(runs_.size());
  using Head = std::pair<T, std::size_t>;  // score, run
  std::priority_queue<Head, std::vector<Head>, std::greater<>> heads;
  for (std::size_t run = 0; run < runs_.size(); ++run) {
    readers.emplace_back(*scratch_, runs_[run].place + output * runs_[run].rows * sizeof(Scored), runs_[run].rows,
                         at_once);
    heads.emplace(readers[run].front().score, run);
  }
  Area area;
  while (!heads.empty()) {
    const std::size_t run = heads.top().second;
    heads.pop();
    area.add(readers[run].front().score, readers[run].front().weight);
    if (readers[run].advance()) heads.emplace(readers[run].front().score, run);
  }
  return area.value();
}

template class RankedScores<float>;
template class RankedScores<double>;

}  // namespace gradloom
