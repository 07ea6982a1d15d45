#include "engine/checkpoint/initial_parameters.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "engine/checkpoint/checkpoint.hpp"
#include "engine/checkpoint/open_checkpoint.hpp"
#include "engine/checkpoint/paths.hpp"
#include "engine/io/hdf5.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

using Shape = std::vector<std::uint64_t>;

h5::File open_any(const std::string& path) {
  return looks_like_checkpoint(path) ? open_checkpoint(path) : h5::File::open(path);
}

template <class T>
void read_parameters(const h5::File& file, const std::string& object, const Shape& shape, MatrixView<T> out) {
  const auto refuse = [&](const std::string& what) {
    throw CheckpointError(fmt::format("{}: {} {}; model.init-from must hold the network that model.layer describes",
                                      file.name(), object, what));
  };
  if (!file.exists(object)) refuse("is missing");
  const h5::DatasetInfo info = file.info(object);
  if (!info.numeric()) refuse(fmt::format("holds {}, not numbers", info.type_name()));
  if (info.shape != shape)
    refuse(
        fmt::format("has shape ({}) where the network has ({})", fmt::join(info.shape, ", "), fmt::join(shape, ", ")));
  file.read_rows<T>(object, 0, out);
  for (std::size_t i = 0; i < out.rows * out.cols; ++i)
    if (!std::isfinite(out.data[i])) refuse(fmt::format("holds {} as its element {}", out.data[i], i));
}

// Averages as no training leaves them; and parameters of a normalization or prelu that is not in the network, which
// would go unnoticed.
template <class T>
void require_described_functions(const h5::File& file, const ParameterLayout& layout, std::size_t l,
                                 const T* parameters) {
  for (const T variance : layout.running_var(parameters, l))
    if (variance < 0)
      throw CheckpointError(
          fmt::format("{}: {} holds the variance {}", file.name(), paths::tensor(l, "running_var"), variance));
  const std::vector<LayerTensor>& known = layout.layer(l).tensors;
  constexpr std::pair<std::string_view, std::string_view> kOwners[] = {
      {"norm_weight", "normalization"}, {"running_mean", "normalization"}, {"slope", "prelu"}};
  for (const auto& [name, owner] : kOwners) {
    const bool described =
        std::ranges::any_of(known, [name = name](const LayerTensor& tensor) { return name == tensor.name; });
    if (const std::string path = paths::tensor(l, std::string(name)); !described && file.exists(path))
      throw CheckpointError(
          fmt::format("{}: {} is of a {} that model.layer does not describe; "
                      "model.init-from must hold the network that it describes",
                      file.name(), path, owner));
  }
}

}  // namespace

template <class T>
AlignedBuffer<T> read_initial_parameters(const std::string& path, const ParameterLayout& layout) {
  AlignedBuffer<T> parameters(layout.size(), T{0});
  try {
    const h5::File file = open_any(path);
    const bool averaged = file.exists(paths::kAverage);  // then that is what the model is judged by
    for (std::size_t l = 0; l < layout.depth(); ++l) {
      for (const LayerTensor& tensor : layout.layer(l).tensors)
        read_parameters<T>(file, averaged ? paths::average(l, tensor.name) : paths::tensor(l, tensor.name),
                           tensor.shape(), ParameterLayout::tensor(parameters.data(), tensor));
      require_described_functions(file, layout, l, parameters.data());
    }
    if (file.exists(paths::layer(layout.depth())))
      throw CheckpointError(fmt::format("{}: holds {} and maybe more, but model.layer describes {} layers", path,
                                        paths::layer(layout.depth()), layout.depth()));
  } catch (const DataError& error) {  // what the HDF5 layer says of any file
    throw CheckpointError(error.what());
  }
  return parameters;
}

template AlignedBuffer<float> read_initial_parameters(const std::string&, const ParameterLayout&);
template AlignedBuffer<double> read_initial_parameters(const std::string&, const ParameterLayout&);

}  // namespace gradloom
