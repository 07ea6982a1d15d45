#include "engine/io/npz.hpp"

#include <fmt/format.h>
#include <zip.h>

#include <string_view>

#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

constexpr std::size_t kPieceBytes = 1 << 20;
constexpr std::string_view kExtension = ".npy";

zip_t* zip_of(void* archive) { return static_cast<zip_t*>(archive); }

std::string text_of(int code) {
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

struct CloseEntry {
  void operator()(zip_file_t* entry) const { zip_fclose(entry); }
};

}  // namespace

NpzFile::NpzFile(const std::string& path, const std::string& name) : name_(name.empty() ? path : name) {
  int code = 0;
  archive_ = zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code);
  if (archive_ == nullptr) throw DataError(fmt::format("{}: is no whole NPZ file ({})", name_, text_of(code)));
  const zip_int64_t entries = zip_get_num_entries(zip_of(archive_), 0);
  for (zip_int64_t i = 0; i < entries; ++i) {
    const char* found = zip_get_name(zip_of(archive_), static_cast<zip_uint64_t>(i), ZIP_FL_ENC_GUESS);
    const std::string_view entry = found == nullptr ? "" : found;
    if (!entry.ends_with(kExtension)) continue;
    arrays_.emplace_back(entry.substr(0, entry.size() - kExtension.size()));
    entries_.push_back(static_cast<std::uint64_t>(i));
  }
}

NpzFile::~NpzFile() {
  if (archive_ != nullptr) zip_discard(zip_of(archive_));
}

std::uint64_t NpzFile::bytes(std::size_t array) const {
  zip_stat_t status;
  if (zip_stat_index(zip_of(archive_), entries_[array], 0, &status) != 0 || (status.valid & ZIP_STAT_SIZE) == 0)
    refuse(array, "its size is not known");
  return status.size;
}

void NpzFile::extract(std::size_t array, const std::function<void(std::span<const char>)>& sink) const {
  const std::unique_ptr<zip_file_t, CloseEntry> entry(zip_fopen_index(zip_of(archive_), entries_[array], 0));
  if (entry == nullptr) refuse(array, zip_strerror(zip_of(archive_)));
  std::vector<char> piece(kPieceBytes);
  for (;;) {
    const zip_int64_t count = zip_fread(entry.get(), piece.data(), piece.size());
    if (count < 0) refuse(array, zip_file_strerror(entry.get()));
    if (count == 0) return;
    sink(std::span(piece).first(static_cast<std::size_t>(count)));
  }
}

void NpzFile::refuse(std::size_t array, const std::string& why) const {
  throw DataError(fmt::format("{}: array {} cannot be read: {}", name_, arrays_[array], why));
}

std::string libzip_version() { return fmt::format("libzip {}", zip_libzip_version()); }

}  // namespace gradloom
