#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <optional>
#include <utility>

#include "engine/io/npy.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

using NamedType = std::pair<std::string_view, NpyType>;

// Kind and bytes, as NumPy writes them behind the byte order.
constexpr std::array<NamedType, 12> kTypes = {{{"b1", NpyType::kBool},
                                               {"i1", NpyType::kInt8},
                                               {"i2", NpyType::kInt16},
                                               {"i4", NpyType::kInt32},
                                               {"i8", NpyType::kInt64},
                                               {"u1", NpyType::kUint8},
                                               {"u2", NpyType::kUint16},
                                               {"u4", NpyType::kUint32},
                                               {"u8", NpyType::kUint64},
                                               {"f2", NpyType::kFloat16},
                                               {"f4", NpyType::kFloat32},
                                               {"f8", NpyType::kFloat64}}};
constexpr std::size_t kMostDimensions = 64;  // NumPy's own limit

// The part of Python's literals that such a header is made of.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& path) : rest_(text), path_(path) {}

  NpyHeader parse() {
    expect('{');
    while (!accept('}')) {
      read_item();
      if (accept('}')) break;
      expect(',');
    }
    skip_blanks();
    if (!rest_.empty() || !has_type_ || !has_order_ || !has_shape_) refuse_header();
    return header_;
  }

 private:
  void read_item() {
    const std::string_view key = quoted();
    expect(':');
    if (key == "descr" && !std::exchange(has_type_, true))
      read_type();
    else if (key == "fortran_order" && !std::exchange(has_order_, true))
      header_.fortran_order = boolean();
    else if (key == "shape" && !std::exchange(has_shape_, true))
      read_shape();
    else
      refuse_header();
  }

  void read_type() {
    skip_blanks();
    if (rest_.starts_with('[') || rest_.starts_with('(')) refuse_type("structured elements");
    const std::string_view descr = quoted();
    std::string_view name = descr;
    const bool has_byte_order = !name.empty() && std::string_view("<>|=").find(name.front()) != std::string_view::npos;
    header_.big_endian = std::endian::native == std::endian::big;
    if (has_byte_order && name.front() == '<') header_.big_endian = false;
    if (has_byte_order && name.front() == '>') header_.big_endian = true;
    if (has_byte_order) name.remove_prefix(1);
    const auto found =
        std::find_if(kTypes.begin(), kTypes.end(), [&](const NamedType& type) { return type.first == name; });
    if (found == kTypes.end()) refuse_type(fmt::format("elements of type '{}'", printable(descr)));
    header_.type = found->second;
  }

  void read_shape() {
    expect('(');
    while (!accept(')')) {
      if (header_.shape.size() == kMostDimensions) refuse_header();
      header_.shape.push_back(whole());
      if (accept(')')) {
        if (header_.shape.size() == 1) refuse_header();  // (3) is no tuple
        break;
      }
      expect(',');
    }
  }

  std::uint64_t whole() {
    skip_blanks();
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    const bool leading_zero = rest_.starts_with('0') && end - rest_.data() > 1;  // no number in Python
    if (error != std::errc() || leading_zero) refuse_header();
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    if (rest_.starts_with('L')) rest_.remove_prefix(1);  // NumPy under Python 2 wrote 3L
    return value;
  }

  bool boolean() {
    skip_blanks();
    for (const auto& [word, value] : {std::pair<std::string_view, bool>{"True", true}, {"False", false}}) {
      if (!rest_.starts_with(word)) continue;
      rest_.remove_prefix(word.size());
      return value;
    }
    refuse_header();
  }

  std::string_view quoted() {
    skip_blanks();
    if (!rest_.starts_with('\'') && !rest_.starts_with('"')) refuse_header();
    const std::size_t end = rest_.find(rest_.front(), 1);
    if (end == std::string_view::npos) refuse_header();
    const std::string_view text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return text;
  }

  void skip_blanks() {
    constexpr std::string_view kBlank = " \t\r\n";
    rest_.remove_prefix(std::min(rest_.find_first_not_of(kBlank), rest_.size()));
  }

  bool accept(char wanted) {
    skip_blanks();
    if (!rest_.starts_with(wanted)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void expect(char wanted) {
    if (!accept(wanted)) refuse_header();
  }

  static std::string printable(std::string_view text) {
    std::string shown(text.substr(0, 40));
    std::replace_if(
        shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return shown;
  }

  [[noreturn]] void refuse_header() const {
    throw DataError(fmt::format(
        "{}: its header is damaged: it is not the dictionary of descr, fortran_order and shape that NumPy writes",
        path_));
  }

  [[noreturn]] void refuse_type(const std::string& found) const {
    throw DataError(
        fmt::format("{}: holds {}; import takes bool, int8 to int64, uint8 to uint64 and float16 to float64: convert "
                    "the array with astype before it is saved",
                    path_, found));
  }

  std::string_view rest_;
  const std::string& path_;
  NpyHeader header_;
  bool has_type_ = false, has_order_ = false, has_shape_ = false;
};

}  // namespace

NpyHeader parse_npy_header(std::string_view text, const std::string& path) { return HeaderParser(text, path).parse(); }

}  // namespace gradloom
