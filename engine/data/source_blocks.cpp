#include "engine/data/source_blocks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/core/parallel.hpp"
#include "engine/io/csv.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

// Lines of blanks in front of a source's first record may fill a block.
bool holds_blanks_alone(const TextBlock& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == ' ' || c == '\r' || c == '\n'; });
}

}  // namespace

std::size_t threads_of(const ImportOptions& options) {
  return options.threads != 0 ? options.threads : allowed_cores();
}

bool SourceBlockReader::next(SourceBlock& block) {
  while (reader_ == nullptr || !next_of_source(block.text)) {
    if (reader_ != nullptr) bytes_before_ += reader_->bytes_used();
    reader_.reset();
    if (opened_ == sources_.size()) return false;
    open_next();
  }
  block.source = opened_ - 1;
  block.separator = separator_;
  block.begins_source = std::exchange(begins_source_, false);
  block.number = next_number_++;
  return true;
}

void SourceBlockReader::open_next() {
  const ImportSource& source = sources_[opened_++];
  reader_ = std::make_unique<TextBlockReader>(source.path, source.name, options_.block_bytes);
  separator_ = options_.separated ? find_separator(source.name, reader_->beginning()) : '\0';
  reader_->set_quoting(separator_);
  begins_source_ = true;
}

bool SourceBlockReader::next_of_source(TextBlock& text) {
  while (reader_->next(text))
    if (!begins_source_ || !holds_blanks_alone(text)) return true;
  if (begins_source_ && options_.header) throw DataError(fmt::format("{}: is empty", reader_->name()));
  return false;
}

}  // namespace gradloom
