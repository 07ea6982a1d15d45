#pragma once

#include <cstddef>

#include "engine/io/hdf5.hpp"

namespace gradloom::h5 {

/// Whether convert() gives numbers of this type: float32 and float64.
bool is_converted(NumberType to);

/// `count` numbers as they stand in a file, in either byte order, as float32 or float64 of this machine, rounded to
/// the nearest. Many times as fast as H5Tconvert where that has no C type for a side: float16, and all of the other
/// byte order. `in` and `out` do not overlap.
void convert(NumberType from, bool big_endian, const std::byte* in, NumberType to, std::byte* out, std::size_t count);

}  // namespace gradloom::h5
