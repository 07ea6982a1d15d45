#include "gradloom/inspect.hpp"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/checkpoint/checkpoint.hpp"
#include "engine/checkpoint/description.hpp"
#include "engine/checkpoint/format.hpp"
#include "engine/checkpoint/store.hpp"
#include "engine/core/parallel.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

enum class Kind { kCheckpoint, kDataset, kForeign };

Kind kind_of(const std::string& path) {
  std::array<char, kUserBlockBytes + 8> start{};
  std::ifstream in(path, std::ios::binary);
  in.read(start.data(), start.size());
  const auto bytes = std::as_bytes(std::span(start)).first(static_cast<std::size_t>(in.gcount()));
  if (starts_like_checkpoint(bytes)) return Kind::kCheckpoint;
  return starts_like_hdf5(bytes) ? Kind::kDataset : Kind::kForeign;
}

// Names in a file may be no UTF-8: a replacement character stands for what is not.
std::string json_text(const nlohmann::ordered_json& description) {
  return description.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

// The file to look at, which exists: for a run folder its checkpoint.
std::string existing_file(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return resolve_checkpoint(path);
  if (!std::filesystem::exists(path, error)) throw ConfigError(path + ": no such file");
  return path;
}

[[noreturn]] void refuse_foreign(const std::string& path) {
  throw DataError(path +
                  ": is neither a checkpoint nor an HDF5 data set; text, IDX and NumPy files are brought in by "
                  "'gradloom import'");
}

}  // namespace

std::string inspect(const std::string& path, bool json, std::size_t threads) {
  const std::string file = existing_file(path);
  switch (kind_of(file)) {
    case Kind::kCheckpoint: {
      const nlohmann::ordered_json description = describe_checkpoint(file);
      return json ? json_text(description) : checkpoint_text(description);
    }
    case Kind::kDataset: {
      const nlohmann::ordered_json description = describe_dataset(file, threads > 0 ? threads : allowed_cores());
      return json ? json_text(description) : dataset_text(description);
    }
    case Kind::kForeign:
      break;
  }
  refuse_foreign(file);
}

std::string verify(const std::string& path) {
  const std::string file = existing_file(path);
  switch (kind_of(file)) {
    case Kind::kCheckpoint:
      verify_checkpoint(file);
      return fmt::format("{}: a whole checkpoint", file);
    case Kind::kDataset:
      return verify_dataset(file);
    case Kind::kForeign:
      break;
  }
  refuse_foreign(file);
}

}  // namespace gradloom
