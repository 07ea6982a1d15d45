#include "engine/data/row_stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "engine/core/rounding.hpp"
#include "engine/data/pending_files.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

// Parts of the memory: for chunks that the reader keeps, for one that it inflates (it has two copies of it then), and
// for rows here.
constexpr std::uint64_t kBandShare = 8;
constexpr std::uint64_t kChunkShare = 4;
constexpr std::uint64_t kRowShare = 16;

}  // namespace

std::optional<BandPlan> plan_bands(const std::string& file, const RowSet& set, const h5::DatasetInfo& info,
                                   std::uint64_t memory) {
  if (info.chunk.empty()) return std::nullopt;
  const std::uint64_t chunk_cols = info.chunk.size() == 1 ? 1 : info.chunk[1];
  const std::uint64_t chunk_bytes = times(times(info.chunk[0], chunk_cols), info.type_bytes);
  const std::uint64_t in_band = (set.cols - 1) / chunk_cols + 1;
  const std::uint64_t share = memory / kBandShare;
  const bool read_in_parts = info.filters.empty();
  if (times(chunk_bytes, in_band) <= share || (read_in_parts && in_band == 1)) return std::nullopt;
  if (chunk_bytes > memory / kChunkShare && !read_in_parts)
    throw ConfigError(fmt::format(
        "{}: /{} is stored in chunks of {} bytes behind filters, which are undone for a whole chunk at once; give "
        "--memory {}MiB or more",
        file, set.path, chunk_bytes, times(chunk_bytes, kChunkShare) / (1 << 20) + 1));
  BandPlan plan;
  plan.band_rows = std::min(info.chunk[0], info.shape[0]);
  plan.group_rows = std::clamp<std::uint64_t>(memory / kRowShare / set.row_bytes(), 1, plan.band_rows);
  plan.strip_cols = std::min<std::uint64_t>(std::max<std::uint64_t>(share / chunk_bytes, 1) * chunk_cols, set.cols);
  return plan;
}

RowStream::RowStream(const h5::File& file, const RowSet& set, const h5::DatasetInfo& info, std::uint64_t memory,
                     const std::string& beside)
    : file_(file), set_(set), rows_(info.shape[0]), memory_(memory), plan_(plan_bands(file.name(), set, info, memory)) {
  if (!plan_) return;
  for (std::uint64_t col = 0; col < set_.cols; col += plan_->strip_cols)
    strips_.push_back({col, std::min<std::uint64_t>(plan_->strip_cols, set_.cols - col)});
  scratch_.emplace(folder_of_output(beside));
}

void RowStream::next(std::size_t rows, std::byte* out) {
  if (!plan_) {
    file_.read_elements(set_.path, {next_, rows, 0, set_.cols, true}, set_.type, out);
    next_ += rows;
    return;
  }
  while (rows > 0) {
    const std::uint64_t in_band = next_ % plan_->band_rows;
    const std::uint64_t in_group = in_band % plan_->group_rows;
    if (in_band == 0) turn_band();
    if (in_group == 0) load_group();
    const auto count =
        static_cast<std::size_t>(std::min<std::uint64_t>(rows, rows_of_group(in_band - in_group) - in_group));
    copy_from_group(count, out);
    next_ += count;
    rows -= count;
    out += count * set_.row_bytes();
  }
}

// Rows of the band that `next_` is in.
std::uint64_t RowStream::rows_of_band() const {
  return std::min(plan_->band_rows, rows_ - next_ / plan_->band_rows * plan_->band_rows);
}

// Rows of the group that begins at this row of the band.
std::uint64_t RowStream::rows_of_group(std::uint64_t group_first) const {
  return std::min(plan_->group_rows, rows_of_band() - group_first);
}

// Writes the band that begins at `next_` to the scratch file. What is read at once are the rows of some groups in one
// strip: tiles that lie apart there.
void RowStream::turn_band() {
  const std::uint64_t band = rows_of_band();
  const std::size_t element = h5::bytes_of(set_.type);
  for (const Strip& strip : strips_) {
    const std::size_t tile_row = strip.cols * element;
    const std::uint64_t groups = std::max<std::uint64_t>(memory_ / kRowShare / (tile_row * plan_->group_rows), 1);
    std::vector<std::byte> rows(std::min(groups * plan_->group_rows, band) * tile_row);
    for (std::uint64_t first = 0; first < band; first += groups * plan_->group_rows) {
      const std::uint64_t count = std::min(groups * plan_->group_rows, band - first);
      file_.read_elements(set_.path, {next_ + first, count, strip.col, strip.cols}, set_.type, rows.data());
      for (std::uint64_t done = 0; done < count; done += plan_->group_rows) {
        const std::uint64_t tile = rows_of_group(first + done);
        scratch_->write_at((first + done) * set_.row_bytes() + tile * strip.col * element,
                           {rows.data() + done * tile_row, tile * tile_row});
      }
    }
  }
}

void RowStream::load_group() {
  const std::uint64_t first = next_ % plan_->band_rows;
  group_.resize(rows_of_group(first) * set_.row_bytes());
  scratch_->read_at(first * set_.row_bytes(), group_);
}

// Puts the strips of rows from `next_` on, all of the group in memory, beside each other.
void RowStream::copy_from_group(std::uint64_t rows, std::byte* out) const {
  const std::uint64_t in_band = next_ % plan_->band_rows;
  const std::uint64_t in_group = in_band % plan_->group_rows;
  const std::uint64_t group = rows_of_group(in_band - in_group);
  const std::size_t element = h5::bytes_of(set_.type);
  for (const Strip& strip : strips_) {
    const std::size_t bytes = strip.cols * element;
    const std::byte* from = group_.data() + group * strip.col * element + in_group * bytes;
    std::byte* to = out + strip.col * element;
    for (std::uint64_t r = 0; r < rows; ++r) std::memcpy(to + r * set_.row_bytes(), from + r * bytes, bytes);
  }
}

}  // namespace gradloom
