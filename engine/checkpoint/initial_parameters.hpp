#pragma once

#include <string>

#include "engine/nn/layout.hpp"
#include "gradloom/matrix.hpp"

namespace gradloom {

/// The parameters that a new run starts with, from a file of another one: `/model/layer_NNN/weight` (units, inputs) and
/// `bias` (units) of every layer, as PyTorch's Linear has them. The file is a checkpoint, whose checksum is verified,
/// or any HDF5 file with those data sets, such as one that h5py wrote from a PyTorch model; any numeric type, rounded
/// to T. Where it holds an `/average` of parameters (train.ema), that is read. Returns a flat block of `layout`, gaps
/// zero. CheckpointError where the file is damaged or foreign, a shape is not the network's, layers are missing or too
/// many, or a value is not finite.
template <class T>
AlignedBuffer<T> read_initial_parameters(const std::string& path, const ParameterLayout& layout);

}  // namespace gradloom
