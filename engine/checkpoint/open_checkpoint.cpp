#include "engine/checkpoint/open_checkpoint.hpp"

#include <utility>
#include <vector>

#include "engine/checkpoint/format.hpp"
#include "engine/io/durable_file.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {

h5::File open_checkpoint(const std::string& path) {
  std::vector<std::byte> bytes = read_file(path);
  (void)checked_payload(bytes, path);
  try {
    return h5::File::open_image(std::move(bytes), path, kUserBlockBytes);
  } catch (const Error& error) {  // of the HDF5 layer, which knows nothing of checkpoints
    throw CheckpointError(error.what());
  }
}

}  // namespace gradloom
