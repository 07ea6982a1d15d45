#include "gradloom/model.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/checkpoint/checkpoint.hpp"
#include "engine/checkpoint/store.hpp"
#include "engine/train/evaluator.hpp"
#include "gradloom/errors.hpp"
#include "gradloom/version.hpp"

namespace gradloom {

template <class T>
Model<T> Model<T>::load(const std::string& checkpoint) {
  Checkpoint<T> read = read_checkpoint<T>(resolve_checkpoint(checkpoint));
  return Model(std::make_shared<const State>(State{Network<T>(std::move(read.layout)),
                                                   std::move(read.average.size() > 0 ? read.average : read.parameters),
                                                   {read.loss, std::move(read.class_weights), read.label_smoothing},
                                                   std::move(read.standardization),
                                                   std::move(read.feature_names),
                                                   std::move(read.class_names),
                                                   std::move(read.config)}));
}

template <class T>
std::size_t Model<T>::inputs() const {
  return state_->network.layout().inputs();
}

template <class T>
std::size_t Model<T>::outputs() const {
  return state_->network.layout().outputs();
}

template <class T>
Loss Model<T>::loss() const {
  return state_->objective.loss;
}

template <class T>
std::vector<LayerSpec> Model<T>::layers() const {
  return state_->network.layout().specs();
}

template <class T>
MatrixView<const T> Model<T>::weight(std::size_t l) const {
  return state_->network.layout().weight(state_->parameters.data(), l);
}

template <class T>
MatrixView<const T> Model<T>::bias(std::size_t l) const {
  const std::span<const T> bias = state_->network.layout().bias(state_->parameters.data(), l);
  return {bias.data(), 1, bias.size()};
}

template <class T>
Matrix<T> Model<T>::predict(MatrixView<const T> x, std::size_t threads) const {
  if (x.cols != inputs()) throw DataError(fmt::format("{} features where the model takes {}", x.cols, inputs()));
  require_safe_platform();
  Arena arena(threads != 0 ? threads : allowed_cores());
  const State& s = *state_;
  if (!s.standardization.features())
    return predict_rows<T>(s.network, s.parameters.data(), s.objective.loss, s.standardization, x, arena);
  Matrix<T> standardized(x.rows, x.cols);
  for (std::size_t r = 0; r < x.rows; ++r) std::ranges::copy(x.row(r), standardized.row(r).begin());
  standardize_features<T>(s.standardization, standardized.view());
  return predict_rows<T>(s.network, s.parameters.data(), s.objective.loss, s.standardization, standardized.view(),
                         arena);
}

template class Model<float>;
template class Model<double>;

}  // namespace gradloom
