#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

/// The user block in front of a checkpoint's HDF5 payload. All numbers are little-endian.
///
///   offset  bytes  holds
///        0      8  magic "GRADLOOM"
///        8      4  format version, 1
///       12      4  zero
///       16      8  bytes of the payload
///       24     16  XXH3-128 of the payload, in xxHash's canonical (big-endian) form
///       40    472  zero
///
/// Every bit of the block and of the payload is checked, so no change of a file goes unnoticed. HDF5 looks for its
/// signature at 0, 512, 1024, ... and counts addresses from there, so its tools open the file as it is.
namespace gradloom {

inline constexpr std::size_t kUserBlockBytes = 512;
inline constexpr std::string_view kMagic = "GRADLOOM";
inline constexpr std::uint32_t kFormatVersion = 1;

/// Fills a user block of kUserBlockBytes for the payload behind it.
void seal(std::span<std::byte> user_block, std::span<const std::byte> payload);
/// The same where both stand in one piece.
void seal(std::span<std::byte> file);

/// The payload of a whole file; CheckpointError saying what is wrong with `name` where any bit is not as sealed.
std::span<const std::byte> checked_payload(std::span<const std::byte> file, const std::string& name);

/// True where a file that starts with these bytes is a checkpoint, be it a damaged one: the magic is there but for a
/// few bytes, or the HDF5 signature stands behind a user block.
bool starts_like_checkpoint(std::span<const std::byte> start);

/// True where the HDF5 signature stands at the file's start, or behind a user block of 512 bytes.
bool starts_like_hdf5(std::span<const std::byte> start);

}  // namespace gradloom
