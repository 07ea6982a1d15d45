#include "engine/checkpoint/store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <span>

#include "engine/checkpoint/checkpoint.hpp"
#include "engine/io/durable_file.hpp"
#include "engine/io/folder.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "step-";
constexpr std::string_view kSuffix = ".h5";
constexpr std::size_t kDigits = 12;

std::string file_name(std::uint64_t step) { return fmt::format("step-{:0{}}.h5", step, kDigits); }

// The step of a file of exactly that name; nothing for others.
std::optional<std::uint64_t> step_of(const std::string& name) {
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix) || name.size() < kPrefix.size() + kSuffix.size())
    return std::nullopt;
  const char* begin = name.data() + kPrefix.size();
  const char* end = name.data() + name.size() - kSuffix.size();
  std::uint64_t step = 0;
  const auto [stop, error] = std::from_chars(begin, end, step);
  if (error != std::errc{} || stop != end || name != file_name(step)) return std::nullopt;
  return step;
}

bool is_leftover(const std::string& name) {
  return name.starts_with('.') && name.find(".h5.tmp-") != std::string::npos;
}

}  // namespace

std::string CheckpointStore::path_of(std::uint64_t step) const {
  return (fs::path(folder_) / file_name(step)).string();
}

std::string CheckpointStore::best_path() const { return (fs::path(folder_) / "best.h5").string(); }

std::vector<std::uint64_t> CheckpointStore::steps() const {
  std::vector<std::uint64_t> steps;
  for (const std::string& name : list_folder(folder_))
    if (const auto step = step_of(name)) steps.push_back(*step);
  std::sort(steps.begin(), steps.end());
  return steps;
}

std::optional<std::string> CheckpointStore::newest_valid(
    const std::function<void(const std::string&)>& on_damaged) const {
  std::vector<std::uint64_t> newest_first = steps();
  std::reverse(newest_first.begin(), newest_first.end());
  for (const std::uint64_t step : newest_first) try {
      verify_checkpoint(path_of(step));
      return path_of(step);
    } catch (const CheckpointError& error) {
      if (on_damaged) on_damaged(error.what());
    }
  return std::nullopt;
}

std::string CheckpointStore::write(std::uint64_t step, std::span<const std::span<const std::byte>> parts) {
  create_folders(folder_);
  write_durably(path_of(step), parts);
  return path_of(step);
}

void CheckpointStore::set_best(std::uint64_t step) { link_durably(path_of(step), best_path()); }

void CheckpointStore::prune(std::size_t keep_last, const std::vector<std::uint64_t>& keep_also) {
  std::vector<std::uint64_t> old = steps();
  old.resize(old.size() - std::min(old.size(), keep_last));
  for (const std::uint64_t step : old)
    if (std::find(keep_also.begin(), keep_also.end(), step) == keep_also.end()) remove_file(path_of(step));
}

void CheckpointStore::remove_leftovers() {
  for (const std::string& name : list_folder(folder_))
    if (is_leftover(name)) remove_durably((fs::path(folder_) / name).string());
}

std::string resolve_checkpoint(const std::string& path) {
  std::error_code error;
  if (!file_exists(path)) throw CheckpointError(path + ": no such checkpoint or run folder");
  if (!fs::is_directory(path, error)) return path;
  const fs::path inner = fs::path(path) / "checkpoints";
  const CheckpointStore store(fs::is_directory(inner, error) ? inner.string() : path);
  if (file_exists(store.best_path())) return store.best_path();
  std::string last_damage;
  if (const auto newest = store.newest_valid([&](const std::string& what) { last_damage = what; })) return *newest;
  if (!last_damage.empty()) throw CheckpointError(fmt::format("{}: holds no whole checkpoint; {}", path, last_damage));
  throw CheckpointError(path + ": holds no checkpoint (neither best.h5 nor step-NNNNNNNNNNNN.h5)");
}

}  // namespace gradloom
