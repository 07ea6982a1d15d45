#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "engine/io/hdf5.hpp"

namespace gradloom {

/// Writes strings as an attribute where they fit: HDF5 keeps at most 64 KiB of an attribute beside its object. False
/// where they do not fit, and nothing is written: names are for people, training does without.
inline bool write_names(h5::File& file, const std::string& path, const std::string& name,
                        const std::vector<std::string>& values) {
  constexpr std::size_t kMostBytes = 64'000;
  std::size_t longest = 1;
  for (const std::string& value : values) longest = std::max(longest, value.size());
  if (values.size() > kMostBytes / longest) return false;
  file.write_attribute(path, name, values);
  return true;
}

}  // namespace gradloom
