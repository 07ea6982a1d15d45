#include "engine/checkpoint/format.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

constexpr std::size_t kVersionOffset = 8;
constexpr std::size_t kLengthOffset = 16;
constexpr std::size_t kDigestOffset = 24;
constexpr std::size_t kDigestBytes = 16;
constexpr std::array<unsigned char, 8> kHdf5Signature = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
constexpr std::ptrdiff_t kMagicMatches = 5;  // of 8 bytes: still meant to be a checkpoint

template <class Integer>
void put(std::span<std::byte> block, std::size_t offset, Integer value) {
  for (std::size_t i = 0; i < sizeof(Integer); ++i)
    block[offset + i] = static_cast<std::byte>(static_cast<std::uint64_t>(value) >> (8 * i));
}

template <class Integer>
Integer get(std::span<const std::byte> block, std::size_t offset) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(Integer); ++i)
    value |= static_cast<std::uint64_t>(std::to_integer<unsigned char>(block[offset + i])) << (8 * i);
  return static_cast<Integer>(value);
}

XXH128_canonical_t digest_of(std::span<const std::byte> payload) {
  XXH128_canonical_t digest;
  XXH128_canonicalFromHash(&digest, XXH3_128bits(payload.data(), payload.size()));
  return digest;
}

void fill_block(std::span<std::byte> block, std::span<const std::byte> payload, std::uint32_t version) {
  std::fill(block.begin(), block.end(), std::byte{0});
  std::memcpy(block.data(), kMagic.data(), kMagic.size());
  put<std::uint32_t>(block, kVersionOffset, version);
  put<std::uint64_t>(block, kLengthOffset, payload.size());
  const XXH128_canonical_t digest = digest_of(payload);
  std::memcpy(block.data() + kDigestOffset, digest.digest, kDigestBytes);
}

bool has_signature(std::span<const std::byte> bytes, std::size_t offset) {
  return bytes.size() >= offset + kHdf5Signature.size() &&
         std::memcmp(bytes.data() + offset, kHdf5Signature.data(), kHdf5Signature.size()) == 0;
}

std::ptrdiff_t magic_matches(std::span<const std::byte> start) {
  std::ptrdiff_t matches = 0;
  for (std::size_t i = 0; i < std::min(start.size(), kMagic.size()); ++i)
    matches += start[i] == static_cast<std::byte>(kMagic[i]) ? 1 : 0;
  return matches;
}

[[noreturn]] void refuse(const std::string& name, const std::string& what) {
  throw CheckpointError(name + ": " + what);
}

void check_head(std::span<const std::byte> file, const std::string& name) {
  if (!starts_like_checkpoint(file)) refuse(name, "is not a checkpoint (the magic GRADLOOM is not at its start)");
  if (file.size() < kUserBlockBytes)
    refuse(name, fmt::format("is cut short: {} bytes, less than the user block of {}", file.size(), kUserBlockBytes));
  if (std::memcmp(file.data(), kMagic.data(), kMagic.size()) != 0)
    refuse(name, "is damaged: the magic GRADLOOM at its start is not intact; use another checkpoint");
}

void check_length(std::span<const std::byte> file, const std::string& name) {
  const auto promised = get<std::uint64_t>(file, kLengthOffset);
  const std::uint64_t found = file.size() - kUserBlockBytes;
  if (found < promised)
    refuse(name, fmt::format("is cut short: its payload has {} of {} bytes; use another checkpoint", found, promised));
  if (found > promised)
    refuse(name, fmt::format("is damaged: its payload has {} bytes where its user block says {}", found, promised));
}

}  // namespace

void seal(std::span<std::byte> user_block, std::span<const std::byte> payload) {
  fill_block(user_block, payload, kFormatVersion);
}

void seal(std::span<std::byte> file) { seal(file.first(kUserBlockBytes), file.subspan(kUserBlockBytes)); }

std::span<const std::byte> checked_payload(std::span<const std::byte> file, const std::string& name) {
  check_head(file, name);
  check_length(file, name);
  const std::span<const std::byte> payload = file.subspan(kUserBlockBytes);
  const auto version = get<std::uint32_t>(file, kVersionOffset);
  std::array<std::byte, kUserBlockBytes> expected{};
  fill_block(expected, payload, version);
  if (std::memcmp(file.data() + kDigestOffset, expected.data() + kDigestOffset, kDigestBytes) != 0)
    refuse(name, "is damaged: its checksum does not match its payload; use another checkpoint");
  if (std::memcmp(file.data(), expected.data(), kUserBlockBytes) != 0)
    refuse(name, "is damaged: reserved bytes of its user block are not zero; use another checkpoint");
  if (version != kFormatVersion)
    refuse(name, fmt::format("has format version {}; this program reads version {}", version, kFormatVersion));
  return payload;
}

bool starts_like_checkpoint(std::span<const std::byte> start) {
  if (has_signature(start, 0)) return false;
  if (magic_matches(start) >= kMagicMatches) return true;
  // Behind a user block of the same size anybody's HDF5 file may stand; ours has some field left that is as it was.
  return has_signature(start, kUserBlockBytes) &&
         (magic_matches(start) > 0 || get<std::uint32_t>(start, kVersionOffset) == kFormatVersion);
}

bool starts_like_hdf5(std::span<const std::byte> start) {
  return has_signature(start, 0) || has_signature(start, kUserBlockBytes);
}

}  // namespace gradloom
