#include "engine/data/row_shuffle.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "engine/data/pending_files.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

using Place = std::uint32_t;  // of a row in its bucket

constexpr std::uint64_t kBucketShare = 2;  // parts of the memory
constexpr std::uint64_t kBufferShare = 8;
constexpr std::uint64_t kRecordsShare = 8;

std::size_t row_bytes_of(const std::vector<RowSet>& sets) {
  std::size_t bytes = 0;
  for (const RowSet& set : sets) bytes += set.row_bytes();
  return bytes;
}

}  // namespace

RowShuffle::RowShuffle(const std::vector<RowSet>& sets, std::uint64_t rows, std::uint64_t seed, std::uint64_t memory,
                       const std::string& beside)
    : sets_(sets),
      rows_(rows),
      place_of_(rows, seed, 0, RandomUse::kRepack),
      record_bytes_(sizeof(Place) + row_bytes_of(sets)),
      bucket_rows_(std::clamp<std::uint64_t>(memory / kBucketShare / record_bytes_, 1,
                                             std::min<std::uint64_t>(rows, std::numeric_limits<Place>::max()))),
      buckets_((rows - 1) / bucket_rows_ + 1),
      memory_(memory),
      buffer_rows_(std::clamp<std::uint64_t>(memory / kBufferShare / record_bytes_ / buckets_, 1, bucket_rows_)),
      scratch_(folder_of_output(beside)),
      buffered_(buckets_),
      written_(buckets_) {}

std::uint64_t RowShuffle::rows_of(std::uint64_t bucket) const {
  return std::min(bucket_rows_, rows_ - bucket * bucket_rows_);
}

void RowShuffle::add(const TableBlock& block) {
  // Where a buffer would not have room for a row, all buckets share that of one.
  const bool shared = buffer_rows_ == 1;
  buffers_.resize((shared ? 1 : buckets_ * buffer_rows_) * record_bytes_);
  places_.resize(block.rows);
  place_of_.fill(block.first, places_);
  for (std::size_t r = 0; r < block.rows; ++r) {
    const std::uint64_t bucket = places_[r] / bucket_rows_;
    const auto place = static_cast<Place>(places_[r] % bucket_rows_);
    const std::uint64_t slot = shared ? 0 : bucket * buffer_rows_ + buffered_[bucket];
    std::byte* record = buffers_.data() + slot * record_bytes_;
    std::memcpy(record, &place, sizeof place);
    record += sizeof place;
    for (std::size_t s = 0; s < sets_.size(); ++s) {
      const std::size_t bytes = sets_[s].row_bytes();
      std::memcpy(record, block.sets[s] + r * bytes, bytes);
      record += bytes;
    }
    if (++buffered_[bucket] == buffer_rows_) flush(bucket);
  }
}

void RowShuffle::flush(std::uint64_t bucket) {
  const std::uint64_t begin = buffer_rows_ == 1 ? 0 : bucket * buffer_rows_;
  scratch_.write_at((bucket * bucket_rows_ + written_[bucket]) * record_bytes_,
                    {buffers_.data() + begin * record_bytes_, buffered_[bucket] * record_bytes_});
  written_[bucket] += buffered_[bucket];
  buffered_[bucket] = 0;
}

void RowShuffle::for_each_block(const std::function<void(const TableBlock&)>& use) {
  for (std::uint64_t bucket = 0; bucket < buckets_; ++bucket) {
    flush(bucket);
    if (written_[bucket] != rows_of(bucket)) throw Error("a shuffle was not given all of its rows");
  }
  buffers_ = {};
  places_ = {};
  RowBuffer rows(sets_, bucket_rows_);
  const std::uint64_t at_once = std::clamp<std::uint64_t>(memory_ / kRecordsShare / record_bytes_, 1, bucket_rows_);
  std::vector<std::byte> records(at_once * record_bytes_);
  for (std::uint64_t bucket = 0; bucket < buckets_; ++bucket) {
    load(bucket, rows, records);
    scratch_.discard(bucket * bucket_rows_ * record_bytes_, rows_of(bucket) * record_bytes_);
    use(rows.block(bucket * bucket_rows_, rows_of(bucket)));
  }
}

// Puts the rows of a bucket in their places.
void RowShuffle::load(std::uint64_t bucket, RowBuffer& rows, std::vector<std::byte>& records) const {
  const std::uint64_t at_once = records.size() / record_bytes_;
  for (std::uint64_t done = 0; done < rows_of(bucket); done += at_once) {
    const std::uint64_t count = std::min(at_once, rows_of(bucket) - done);
    scratch_.read_at((bucket * bucket_rows_ + done) * record_bytes_, {records.data(), count * record_bytes_});
    for (std::uint64_t r = 0; r < count; ++r) {
      const std::byte* record = records.data() + r * record_bytes_;
      Place place = 0;
      std::memcpy(&place, record, sizeof place);
      if (place >= rows_of(bucket)) throw FileError("a temporary file was changed by another program; run it again");
      record += sizeof place;
      for (std::size_t s = 0; s < sets_.size(); ++s) {
        const std::size_t bytes = sets_[s].row_bytes();
        std::memcpy(rows.set(s) + place * bytes, record, bytes);
        record += bytes;
      }
    }
  }
}

}  // namespace gradloom
