#include "engine/io/csv.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

constexpr std::size_t kMostRecordBytes = 256 << 20;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_tab_separated(std::string path) {
  if (path.ends_with(".gz")) path.resize(path.size() - 3);
  return path.ends_with(".tsv") || path.ends_with(".tab");
}

bool is_blank(char c) { return c == ' ' || c == '\r'; }

}  // namespace

CsvReader::CsvReader(const std::string& path, std::size_t block_bytes)
    : input_(path), buffer_(input_.block_bytes(block_bytes)) {
  refill();
  if (std::string_view(buffer_.data(), end_).starts_with(kByteOrderMark)) begin_ = kByteOrderMark.size();
  if (is_tab_separated(path))
    separator_ = '\t';
  else
    detect_separator();
}

void CsvReader::detect_separator() {
  constexpr std::string_view kCandidates = ",\t;";
  std::array<std::size_t, kCandidates.size()> counts{};
  bool quoted = false, content = false;
  for (std::size_t i = begin_; i < end_; ++i) {
    const char c = buffer_[i];
    if (c == '\n' && !quoted && content) break;
    if (c == '"') quoted = !quoted;
    content = content || (c != '\n' && !is_blank(c));
    const std::size_t candidate = kCandidates.find(c);
    if (!quoted && candidate != std::string_view::npos) ++counts[candidate];
  }
  const auto most = std::max_element(counts.begin(), counts.end());  // the first of equals: the comma
  separator_ = kCandidates[static_cast<std::size_t>(most - counts.begin())];
}

bool CsvReader::next(CsvRecord& record) {
  for (;;) {
    while (scan_record() == Scan::kNeedsMore) {
      if (refill()) continue;
      if (begin_ == end_) return false;
    }
    const bool blank = spans_.size() == 1 && std::all_of(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
                                                         buffer_.begin() + static_cast<std::ptrdiff_t>(after_),
                                                         [](char c) { return is_blank(c) || c == '\n'; });
    if (!blank) take(record);
    line_ += 1 + lines_in_cells_;
    begin_ = after_;
    if (!blank) return true;
  }
}

// Finds the cells of the record at begin_. Starts again from there where the buffer ends first.
CsvReader::Scan CsvReader::scan_record() {
  spans_.clear();
  lines_in_cells_ = 0;
  std::size_t at = begin_;
  if (at == end_) return Scan::kNeedsMore;
  for (;;) {
    const bool quoted = at < end_ && buffer_[at] == '"';
    if ((quoted ? scan_quoted(at) : scan_plain(at)) == Scan::kNeedsMore) return Scan::kNeedsMore;
    if (at == end_ || buffer_[at] == '\n') break;
    ++at;  // the separator
  }
  after_ = std::min(at + 1, end_);
  return Scan::kDone;
}

CsvReader::Scan CsvReader::scan_plain(std::size_t& at) {
  const std::size_t start = at;
  const char* const text = buffer_.data();
  while (at < end_ && text[at] != separator_ && text[at] != '\n') ++at;
  if (at == end_ && !at_end_) return Scan::kNeedsMore;
  const bool carriage_return = (at == end_ || text[at] == '\n') && at > start && text[at - 1] == '\r';
  spans_.push_back({start, carriage_return ? at - 1 : at, false});
  return Scan::kDone;
}

CsvReader::Scan CsvReader::scan_quoted(std::size_t& at) {
  const std::uint64_t opened = line_ + lines_in_cells_;
  const std::size_t start = ++at;
  bool doubled = false;
  for (;; ++at) {
    if (at == end_ && at_end_) refuse(opened, "a double quote is opened and never closed");
    if (at == end_) return Scan::kNeedsMore;
    if (buffer_[at] == '\n') ++lines_in_cells_;
    if (buffer_[at] != '"') continue;
    if (at + 1 == end_ && !at_end_) return Scan::kNeedsMore;
    if (at + 1 == end_ || buffer_[at + 1] != '"') break;
    doubled = true;
    ++at;
  }
  spans_.push_back({start, at, doubled});
  ++at;
  while (at < end_ && is_blank(buffer_[at]) && buffer_[at] != separator_) ++at;
  if (at == end_ && !at_end_) return Scan::kNeedsMore;
  if (at < end_ && buffer_[at] != separator_ && buffer_[at] != '\n')
    refuse(line_ + lines_in_cells_,
           fmt::format("cell {} goes on behind its closing quote; a quote inside a quoted cell "
                       "is written twice",
                       spans_.size()));
  return Scan::kDone;
}

// Moves what is left to the front and reads on; false where there is no more.
bool CsvReader::refill() {
  if (at_end_) return false;
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  if (end_ == buffer_.size()) {
    if (end_ >= kMostRecordBytes)
      refuse(line_, fmt::format("this record is longer than {} MiB; is a quote not closed?", kMostRecordBytes >> 20));
    buffer_.resize(2 * buffer_.size());
  }
  const std::size_t wanted = buffer_.size() - end_;
  const std::size_t count = input_.read({buffer_.data() + end_, wanted});
  at_end_ = count < wanted;
  const std::string_view text(buffer_.data(), end_ + count);
  const std::size_t zero = text.find('\0', end_);
  end_ += count;
  if (zero != std::string_view::npos)
    refuse(line_ + static_cast<std::uint64_t>(std::count(text.begin(), text.begin() + zero, '\n')),
           "is not a text file in UTF-8 (it holds zero bytes)");
  return true;
}

void CsvReader::take(CsvRecord& record) {
  record.line = line_;
  record.cells.clear();
  for (const Span& cell : spans_) record.cells.push_back(unquoted(cell));
}

// Doubled quotes become single ones in place: the text only gets shorter.
std::string_view CsvReader::unquoted(Span cell) {
  char* const text = buffer_.data();
  if (!cell.doubled) return {text + cell.begin, cell.end - cell.begin};
  std::size_t to = cell.begin;
  for (std::size_t from = cell.begin; from < cell.end; ++from) {
    text[to++] = text[from];
    if (text[from] == '"') ++from;
  }
  return {text + cell.begin, to - cell.begin};
}

void CsvReader::refuse(std::uint64_t line, const std::string& what) const {
  throw DataError(fmt::format("{}:{}: {}", path(), line, what));
}

}  // namespace gradloom
