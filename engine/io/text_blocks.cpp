#include "engine/io/text_blocks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

constexpr std::size_t kMostRecordBytes = 256 << 20;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Behind the last line end in [from, to), or `none`.
std::size_t behind_last_line(const char* text, std::size_t from, std::size_t to, std::size_t none) {
  const void* found = memrchr(text + from, '\n', to - from);
  return found == nullptr ? none : static_cast<std::size_t>(static_cast<const char*>(found) - text) + 1;
}

// The first quote in [from, to), or `to`.
std::size_t quote_from(const char* text, std::size_t from, std::size_t to) {
  const void* found = std::memchr(text + from, '"', to - from);
  return found == nullptr ? to : static_cast<std::size_t>(static_cast<const char*>(found) - text);
}

// Behind the quote that closes a cell which was opened in front of `at`, or `to`.
std::size_t behind_closing_quote(const char* text, std::size_t at, std::size_t to) {
  for (;;) {
    at = quote_from(text, at, to);
    if (at == to) return to;
    if (at + 1 == to || text[at + 1] != '"') return at + 1;
    at += 2;
  }
}

void reserve(TextBlock& block, std::size_t size) {
  if (block.bytes.size() < size + TextBlock::kPadding) block.bytes.resize(size + TextBlock::kPadding);
}

}  // namespace

std::uint64_t count_lines(std::string_view text) {
  constexpr std::size_t kStep = 255;  // so that a byte can count, which compilers make vectors of
  std::uint64_t lines = 0;
  for (std::size_t at = 0; at < text.size(); at += kStep) {
    const std::size_t to = std::min(at + kStep, text.size());
    std::uint8_t found = 0;
    for (std::size_t i = at; i < to; ++i) found = static_cast<std::uint8_t>(found + (text[i] == '\n' ? 1 : 0));
    lines += found;
  }
  return lines;
}

TextBlockReader::TextBlockReader(const std::string& path, const std::string& name, std::size_t block_bytes)
    : input_(path, name), block_bytes_(input_.block_bytes(block_bytes)) {
  TextBlock first;
  fill(first, block_bytes_);
  const std::string_view text(first.begin(), first.size);
  const std::size_t mark = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  rest_.assign(first.begin() + mark, first.end());
}

bool TextBlockReader::next(TextBlock& block) {
  block.line = line_;
  block.size = rest_.size();
  reserve(block, block.size);
  std::copy(rest_.begin(), rest_.end(), block.bytes.begin());
  std::size_t whole = 0;
  for (std::size_t upto = std::max(block_bytes_, block.size); whole == 0; upto *= 2) {
    fill(block, upto);
    whole = at_end_ ? block.size : end_of_records(block);
    if (whole == 0 && !at_end_ && block.size >= kMostRecordBytes)
      refuse(line_, fmt::format("this record is longer than {} MiB; is a quote not closed?", kMostRecordBytes >> 20));
    if (whole == 0 && at_end_) return false;
  }
  rest_.assign(block.begin() + whole, block.end());
  if (block.bytes[whole - 1] != '\n') {  // only at the end of the file
    reserve(block, whole + 1);
    block.bytes[whole++] = '\n';
  }
  block.size = whole;
  line_ += count_lines({block.begin(), whole});
  return true;
}

// Reads on until the block has `upto` bytes, or the file ends.
void TextBlockReader::fill(TextBlock& block, std::size_t upto) {
  if (at_end_ || block.size >= upto) return;
  reserve(block, upto);
  const std::size_t wanted = upto - block.size;
  const std::size_t count = input_.read({block.bytes.data() + block.size, wanted});
  at_end_ = count < wanted;
  const void* zero = count == 0 ? nullptr : std::memchr(block.begin() + block.size, '\0', count);
  block.size += count;
  if (zero == nullptr) return;
  const auto before = static_cast<std::size_t>(static_cast<const char*>(zero) - block.begin());
  refuse(line_ + count_lines({block.begin(), before}), "is not a text file in UTF-8 (it holds zero bytes)");
}

// Behind the last line end that is in no quotes; 0 where there is none.
std::size_t TextBlockReader::end_of_records(const TextBlock& block) const {
  const char* const text = block.begin();
  if (separator_ == '\0') return behind_last_line(text, 0, block.size, 0);
  std::size_t end = 0;
  for (std::size_t at = 0; at < block.size;) {
    const std::size_t quote = quote_from(text, at, block.size);
    end = behind_last_line(text, at, quote, end);
    if (quote == block.size) break;
    const bool opens = quote == 0 || text[quote - 1] == separator_ || text[quote - 1] == '\n';
    at = opens ? behind_closing_quote(text, quote + 1, block.size) : quote + 1;
  }
  return end;
}

void TextBlockReader::refuse(std::uint64_t line, const std::string& what) const {
  throw DataError(fmt::format("{}:{}: {}", name(), line, what));
}

}  // namespace gradloom
