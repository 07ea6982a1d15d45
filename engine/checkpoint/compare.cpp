#include "gradloom/compare.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <span>

#include "engine/checkpoint/open_checkpoint.hpp"
#include "engine/checkpoint/paths.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

using Bytes = std::span<const std::byte>;
using h5::TypeClass;

// Most significant byte first.
std::string hex(Bytes element) {
  std::string text = "0x";
  for (auto byte = element.rbegin(); byte != element.rend(); ++byte)
    text += fmt::format("{:02x}", std::to_integer<unsigned>(*byte));
  return text;
}

template <class T>
std::string number_text(Bytes element) {
  T value;
  std::memcpy(&value, element.data(), sizeof value);
  return fmt::format("{}", value);
}

template <class Signed, class Unsigned>
std::string integer_text(bool is_signed, Bytes element) {
  return is_signed ? number_text<Signed>(element) : number_text<Unsigned>(element);
}

std::string string_text(Bytes element) {
  const std::string text(reinterpret_cast<const char*>(element.data()), element.size());
  return "'" + text.substr(0, std::min(text.find('\0'), text.size())) + "'";
}

// An element as a person reads it; its bits where its type is none of those that checkpoints hold.
std::string element_text(const h5::DatasetInfo& type, Bytes element) {
  if (type.type_class == TypeClass::kString) return string_text(element);
  if (type.big_endian) return hex(element);
  if (type.type_class == TypeClass::kFloat && type.type_bytes == 4) return number_text<float>(element);
  if (type.type_class == TypeClass::kFloat && type.type_bytes == 8) return number_text<double>(element);
  if (type.type_class != TypeClass::kInteger) return hex(element);
  if (type.type_bytes == 4) return integer_text<std::int32_t, std::uint32_t>(type.is_signed, element);
  if (type.type_bytes == 8) return integer_text<std::int64_t, std::uint64_t>(type.is_signed, element);
  return hex(element);
}

// The bits where the texts do not tell the elements apart: NaNs, and text behind a zero.
std::string against(const h5::DatasetInfo& type, Bytes a, Bytes b) {
  const std::string first = element_text(type, a), second = element_text(type, b);
  if (first != second) return fmt::format("{} against {}", first, second);
  return fmt::format("{} ({}) against {} ({})", first, hex(a), second, hex(b));
}

std::string elements_difference(const h5::StoredValue& a, const h5::StoredValue& b) {
  const std::size_t size = a.info.type_bytes, count = a.bytes.size() / size;
  std::size_t different = 0, first = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (std::memcmp(a.bytes.data() + i * size, b.bytes.data() + i * size, size) == 0) continue;
    if (different++ == 0) first = i;
  }
  const std::string values =
      against(a.info, Bytes(a.bytes).subspan(first * size, size), Bytes(b.bytes).subspan(first * size, size));
  if (a.info.shape.empty()) return ": " + values;
  if (different == 1) return fmt::format(" element {}: {}", first, values);
  return fmt::format(" element {}: {}; {} of {} elements differ", first, values, different, count);
}

std::optional<std::string> value_difference(const h5::StoredValue& a, const h5::StoredValue& b) {
  if (const std::string first = a.info.type_name(), second = b.info.type_name(); first != second)
    return fmt::format(": {} against {}", first, second);
  if (a.info.shape != b.info.shape)
    return fmt::format(": shape ({}) against ({})", fmt::join(a.info.shape, ", "), fmt::join(b.info.shape, ", "));
  if (a.bytes == b.bytes) return std::nullopt;
  return elements_difference(a, b);
}

std::string name_of(const h5::TreeItem& item) {
  return item.attribute.empty() ? item.path : fmt::format("{} attribute {}", item.path, item.attribute);
}

std::optional<std::string> item_difference(const h5::File& a, const h5::File& b, const h5::TreeItem& item) {
  if (item.attribute.empty()) {
    const bool group_in_a = a.is_group(item.path), group_in_b = b.is_group(item.path);
    if (group_in_a != group_in_b)
      return fmt::format(": a {} against a {}", group_in_a ? "group" : "data set", group_in_b ? "group" : "data set");
    if (group_in_a) return std::nullopt;
  }
  return value_difference(a.stored_value(item), b.stored_value(item));
}

using Items = std::map<std::string, h5::TreeItem>;  // by name

Items items_of(const h5::File& file) {
  Items items;
  for (const char* group : {paths::kModel, paths::kAverage, paths::kOptimizer, paths::kProgress}) {
    if (!file.exists(group)) continue;
    for (h5::TreeItem& item : file.tree(group)) items.emplace(name_of(item), std::move(item));
  }
  return items;
}

std::vector<std::string> differences_of(const h5::File& a, const h5::File& b) {
  const Items in_a = items_of(a), in_b = items_of(b);
  Items all = in_a;
  all.insert(in_b.begin(), in_b.end());
  std::vector<std::string> differences;
  for (const auto& [name, item] : all) {
    if (!in_a.contains(name) || !in_b.contains(name))
      differences.push_back(fmt::format("{}: only in {}", name, in_a.contains(name) ? a.name() : b.name()));
    else if (const auto difference = item_difference(a, b, item))
      differences.push_back(name + *difference);
  }
  return differences;
}

}  // namespace

std::vector<std::string> checkpoint_differences(const std::string& first, const std::string& second) {
  try {
    return differences_of(open_checkpoint(first), open_checkpoint(second));
  } catch (const DataError& error) {
    throw CheckpointError(error.what());
  }
}

}  // namespace gradloom
