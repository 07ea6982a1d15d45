#pragma once

#include <string>

#include "engine/io/hdf5.hpp"

namespace gradloom {

/// Opens a checkpoint's HDF5 file, held in memory once, after every bit of it was checked (format.hpp).
/// CheckpointError where any is not as sealed, FileError where the system does not give the file up.
h5::File open_checkpoint(const std::string& path);

}  // namespace gradloom
