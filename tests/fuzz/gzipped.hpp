#pragma once

#include <zlib.h>

#include <string>
#include <string_view>

#include "tests/fuzz/fuzz.hpp"

namespace gradloom::fuzz {

/// A gzip file of `content`, stored and not deflated: what makes a mutated input whole again.
inline std::string gzipped(std::string_view content) {
  z_stream stream{};
  require(deflateInit2(&stream, Z_NO_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK, "deflate");
  std::string out(deflateBound(&stream, content.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  require(deflate(&stream, Z_FINISH) == Z_STREAM_END, "deflate ends");
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// Whether the input is a gzip file itself: put into one more it would be inflated only once.
inline bool is_gzip(std::string_view input) { return input.starts_with("\x1f\x8b"); }

}  // namespace gradloom::fuzz
