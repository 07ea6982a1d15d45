#pragma once

#include <zlib.h>

#include <cstdint>
#include <vector>

#include "support/catch.hpp"

namespace gradloom::testing {

/// The bytes as one zlib stream, as HDF5's deflate stores a chunk.
inline std::vector<std::uint8_t> deflated(const std::vector<std::uint8_t>& bytes) {
  uLongf size = compressBound(bytes.size());
  std::vector<std::uint8_t> packed(size);
  REQUIRE(compress(packed.data(), &size, bytes.data(), bytes.size()) == Z_OK);
  packed.resize(size);
  return packed;
}

}  // namespace gradloom::testing
