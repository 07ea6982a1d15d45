#include "engine/io/csv.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

bool is_tab_separated(std::string name) {
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  return name.ends_with(".tsv") || name.ends_with(".tab");
}

bool is_blank(char c) { return c == ' ' || c == '\r'; }

}  // namespace

char find_separator(const std::string& name, std::string_view text) {
  if (is_tab_separated(name)) return '\t';
  constexpr std::string_view kCandidates = ",\t;";
  std::array<std::size_t, kCandidates.size()> counts{};
  bool quoted = false, content = false;
  for (const char c : text) {
    if (c == '\n' && !quoted && content) break;
    if (c == '"') quoted = !quoted;
    content = content || (c != '\n' && !is_blank(c));
    const std::size_t candidate = kCandidates.find(c);
    if (!quoted && candidate != std::string_view::npos) ++counts[candidate];
  }
  const auto most = std::max_element(counts.begin(), counts.end());  // the first of equals: the comma
  return kCandidates[static_cast<std::size_t>(most - counts.begin())];
}

void CsvCursor::enter(TextBlock& block) {
  at_ = block.bytes.data();
  end_ = at_ + block.size;
  more_ = false;
  line_ = block.line;
  ended_lines_ = 0;
}

bool CsvCursor::next_record() {
  while (more_) take_cell();
  line_ += ended_lines_;
  ended_lines_ = lines_in_cells_ = 0;
  cells_ = 0;
  while (at_ < end_) {
    const char* after = std::find_if_not(at_, end_, is_blank);
    more_ = *after != '\n';
    if (more_) return true;
    at_ += after + 1 - at_;
    ++line_;
  }
  return false;
}

bool CsvCursor::take_last_cell_until(const char* end) {
  const char* after = end;
  if (*after == '\r') ++after;
  if (*after != '\n') return false;
  at_ += after - at_;
  end_cell();
  return true;
}

std::string_view CsvCursor::take_plain() {
  char* const start = at_;
  while (*at_ != separator_ && *at_ != '\n') ++at_;
  const bool carriage_return = *at_ == '\n' && at_ > start && at_[-1] == '\r';
  const std::string_view cell(start, static_cast<std::size_t>(at_ - start) - (carriage_return ? 1 : 0));
  end_cell();
  return cell;
}

std::string_view CsvCursor::take_quoted() {
  const std::uint64_t opened = line_ + lines_in_cells_;
  char* const start = ++at_;
  char* to = start;  // doubled quotes become single ones: the text only gets shorter
  for (; at_ < end_; ++at_) {
    if (*at_ == '\n') ++lines_in_cells_;
    if (*at_ == '"' && at_[1] != '"') break;  // a line end stands behind all text
    if (*at_ == '"') ++at_;
    *to++ = *at_;
  }
  if (at_ == end_) refuse(opened, "a double quote is opened and never closed");
  ++at_;
  while (is_blank(*at_) && *at_ != separator_) ++at_;
  if (*at_ != separator_ && *at_ != '\n')
    refuse(line_ + lines_in_cells_, fmt::format("cell {} goes on behind its closing quote; a quote inside a quoted "
                                                "cell is written twice",
                                                cells_ + 1));
  end_cell();
  return {start, static_cast<std::size_t>(to - start)};
}

// At the separator or line end behind a cell.
void CsvCursor::end_cell() {
  ++cells_;
  more_ = *at_ == separator_;
  if (!more_) ended_lines_ = 1 + lines_in_cells_;
  ++at_;
}

void CsvCursor::refuse(std::uint64_t line, const std::string& what) const {
  throw DataError(fmt::format("{}:{}: {}", name_, line, what));
}

CsvReader::CsvReader(const std::string& path, const std::string& name, std::size_t block_bytes)
    : reader_(path, name, block_bytes),
      separator_(find_separator(reader_.name(), reader_.beginning())),
      cursor_(separator_, reader_.name()) {
  reader_.set_quoting(separator_);
}

bool CsvReader::next(CsvRecord& record) {
  while (!cursor_.next_record()) {
    if (!reader_.next(block_)) return false;
    cursor_.enter(block_);
  }
  record.line = cursor_.line();
  record.cells.clear();
  while (cursor_.has_cell()) record.cells.push_back(cursor_.take_cell());
  return true;
}

}  // namespace gradloom
