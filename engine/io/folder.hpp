#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gradloom {

/// Folders and names in them. What the system refuses is a FileError that names path, call and reason; absence never
/// is one.

/// True where something of that name stands.
bool file_exists(const std::string& path);

/// Creates a folder and its parents, durably; FileError also where something else stands there.
void create_folders(const std::string& path);

/// Returns when the names in a folder are on disk.
void sync_folder(const std::string& path);

/// Names in a folder, in no order, without "." and ".."; none where it does not exist.
std::vector<std::string> list_folder(const std::string& path);

/// Bytes that this process may still write to the file system that `path` is on, or will be on once it exists;
/// nothing where the system does not tell.
std::optional<std::uint64_t> free_bytes(const std::string& path);

/// "a/b" for "a/b/c", "." for "c".
std::string parent_folder(const std::string& path);

}  // namespace gradloom
