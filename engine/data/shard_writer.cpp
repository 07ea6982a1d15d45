#include "engine/data/shard_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <utility>

#include "engine/core/parallel.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

// FILE.<middle>.h5 for FILE.h5.
std::string with_middle(const std::string& output, const std::string& middle) {
  const std::filesystem::path path(output);
  const std::string name = fmt::format("{}.{}{}", path.stem().string(), middle, path.extension().string());
  return (path.parent_path() / name).string();
}

std::size_t digits_of(std::uint64_t shards) { return std::max<std::size_t>(std::to_string(shards).size(), 3); }

}  // namespace

std::vector<RepackedFile> plan_shards(const std::string& output, std::uint64_t shards, std::uint64_t rows) {
  if (shards == 1) return {{output, rows}};
  std::vector<RepackedFile> files;
  for (std::uint64_t i = 0; i < shards; ++i) {
    const std::size_t digits = digits_of(shards);
    const std::string path = with_middle(output, fmt::format("{:0{}}-of-{:0{}}", i, digits, shards, digits));
    files.push_back({path, rows / shards + (i < rows % shards ? 1 : 0)});
  }
  return files;
}

std::string training_glob(const std::string& output, std::uint64_t shards) {
  if (shards == 1) return output;
  std::string name = output;
  // Blanks separate files in data.train.
  std::replace_if(
      name.begin(), name.end(),
      [](char c) { return std::string_view(" \t\n*?[]\\").find(c) != std::string_view::npos; }, '?');
  return with_middle(name, fmt::format("*-of-{:0{}}", shards, digits_of(shards)));
}

ShardWriter::ShardWriter(const std::vector<RowSet>& sets, std::vector<RepackedFile> files, const RepackOptions& options)
    : sets_(sets),
      files_(std::move(files)),
      chunk_rows_(options.chunk_rows),
      deflate_(options.deflate),
      memory_(options.memory),
      chunks_(sets.size()) {
  for (const RepackedFile& file : files_) temporary_.push_back(pending_.add(file.path));
}

void ShardWriter::open_next() {
  const std::uint64_t rows = files_[opened_].rows;
  file_ = h5::File::create(temporary_[opened_++]);
  rows_left_ = rows;
  std::size_t largest = 1;
  for (std::size_t s = 0; s < sets_.size(); ++s) {
    const RowSet& set = sets_[s];
    const std::size_t wanted = chunk_rows_ != 0 ? chunk_rows_ : h5::rows_in_chunk(set.row_bytes());
    chunks_[s].most_rows = static_cast<std::size_t>(std::min<std::uint64_t>(wanted, rows));
    chunks_[s].bytes.resize(chunks_[s].most_rows * set.row_bytes());
    file_->create_rows(set.path, set.type,
                       {.cols = set.flat ? 0 : set.cols, .chunk_rows = chunks_[s].most_rows, .deflate = deflate_});
    for (const auto& [attribute, values] : set.labels) file_->write_attribute(set.path, attribute, values);
    largest = std::max(largest, chunks_[s].bytes.size());
  }
  // Each is there as it was, shuffled, and compressed.
  constexpr std::uint64_t kShare = 8, kCopies = 3;
  most_packing_ = std::clamp<std::uint64_t>(memory_ / kShare / (kCopies * largest), 1, 2 * allowed_cores());
}

void ShardWriter::append(const TableBlock& block) {
  for (std::size_t done = 0; done < block.rows;) {
    if (!file_) open_next();
    const std::size_t count = rows_to_boundary(block.rows - done);
    for (std::size_t s = 0; s < sets_.size(); ++s)
      append_to_chunk(s, block.sets[s] + done * sets_[s].row_bytes(), count);
    rows_left_ -= count;
    done += count;
    if (rows_left_ == 0) close();
  }
}

// Of `rows` more rows, those before the end of any chunk, or of the file.
std::size_t ShardWriter::rows_to_boundary(std::size_t rows) const {
  rows = static_cast<std::size_t>(std::min<std::uint64_t>(rows, rows_left_));
  for (const Chunk& chunk : chunks_) rows = std::min(rows, chunk.most_rows - chunk.rows);
  return rows;
}

void ShardWriter::append_to_chunk(std::size_t set, const std::byte* rows, std::size_t count) {
  Chunk& chunk = chunks_[set];
  const std::size_t row_bytes = sets_[set].row_bytes();
  const bool whole = count == chunk.most_rows;
  if (!whole) std::memcpy(chunk.bytes.data() + chunk.rows * row_bytes, rows, count * row_bytes);
  chunk.rows += count;
  if (chunk.rows == chunk.most_rows) write_chunk(set, whole ? rows : chunk.bytes.data());
}

void ShardWriter::write_chunk(std::size_t set, const std::byte* rows) {
  if (deflate_ == 0)
    file_->append_elements(sets_[set].path, chunks_[set].rows, rows);
  else
    pack(set, rows);
  chunks_[set].rows = 0;
}

void ShardWriter::pack(std::size_t set, const std::byte* rows) {
  if (packing_.size() == most_packing_) write_packed();
  const Chunk& chunk = chunks_[set];
  std::vector<std::byte> elements(rows, rows + chunk.rows * sets_[set].row_bytes());
  elements.resize(chunk.bytes.size());
  const std::size_t element_bytes = h5::bytes_of(sets_[set].type);
  packing_.push_back(
      {set, chunk.rows, std::async(std::launch::async, [this, element_bytes, elements = std::move(elements)] {
         return h5::deflated_chunk(elements, element_bytes, deflate_);
       })});
}

// Writes the oldest of the chunks that are being compressed.
void ShardWriter::write_packed() {
  Packing oldest = std::move(packing_.front());
  packing_.pop_front();
  file_->append_chunk(sets_[oldest.set].path, oldest.rows, oldest.bytes.get());
}

void ShardWriter::close() {
  for (std::size_t s = 0; s < sets_.size(); ++s)
    if (chunks_[s].rows > 0) write_chunk(s, chunks_[s].bytes.data());
  while (!packing_.empty()) write_packed();
  file_->close();
  file_.reset();
}

void ShardWriter::publish() {
  if (opened_ != files_.size() || file_) throw Error("files were published before their last row");
  pending_.publish();
}

}  // namespace gradloom
