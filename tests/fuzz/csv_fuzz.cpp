// A text table, plain or gzipped: its first byte is the size of the reader's block, the rest the file. Where records
// are cut by blocks makes no difference.

#include <cmath>
#include <vector>

#include "engine/data/import_cell.hpp"
#include "engine/io/csv.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace gradloom::fuzz {
namespace {

struct Table {
  std::vector<std::uint64_t> lines;
  std::vector<std::vector<std::string>> rows;
  char separator = 0;
  bool refused = false;  // behind those rows
  bool operator==(const Table&) const = default;
};

Table read_table(const std::string& path, std::size_t block_bytes) {
  CsvReader reader(path, "", block_bytes);
  Table table;
  table.separator = reader.separator();
  const bool complete = accepted([&] {
                          for (CsvRecord record; reader.next(record);) {
                            table.lines.push_back(record.line);
                            table.rows.emplace_back(record.cells.begin(), record.cells.end());
                          }
                          return true;
                        }).has_value();
  table.refused = !complete;
  return table;
}

void check_cells(const Table& table) {
  for (const auto& row : table.rows) {
    require(!row.empty(), "a record has a cell");
    for (const std::string& text : row) {
      const Cell cell = parse_cell(text);
      require(cell.kind != CellKind::kNumber || std::isfinite(cell.number), "a number is finite");
      const std::string padded = text + std::string(16, ',');
      const char* at = padded.data();
      double number = 0;
      if (parse_plain_number(at, number) && at == padded.data() + text.size())
        require(cell.kind == CellKind::kNumber && cell.number == number,
                "the fast way gives what the careful one does");
      require(shown(text).find('\n') == std::string::npos, "a cell is shown on one line");
    }
  }
}

}  // namespace
}  // namespace gradloom::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gradloom::fuzz;
  static const MemoryFile file;
  Choices choices(as_text(data, size));
  const std::size_t small_block = 3 + choices.byte() % 64;  // a byte order mark
  file.hold(choices.rest());
  const auto small = accepted([&] { return read_table(file.path(), small_block); });
  const auto whole = accepted([&] { return read_table(file.path(), 8 << 10); });
  if (small) check_cells(*small);
  if (whole) check_cells(*whole);
  // A block that ends inside the first line may show another separator.
  if (small) require(whole || small->refused, "what is refused at once is refused in blocks");
  if (small && whole && small->separator == whole->separator) require(*small == *whole, "blocks make no difference");
  return 0;
}
