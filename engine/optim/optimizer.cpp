#include "engine/optim/optimizer.hpp"

#include "engine/optim/sgd.hpp"

namespace gradloom {

template <class T>
std::unique_ptr<Optimizer<T>> make_optimizer(const Config::Optimizer& options) {
  switch (options.type) {
    case OptimizerType::kSgd:
      return std::make_unique<Sgd<T>>(options);
  }
  return nullptr;  // unreachable: the switch covers the enumeration
}

template std::unique_ptr<Optimizer<float>> make_optimizer(const Config::Optimizer&);
template std::unique_ptr<Optimizer<double>> make_optimizer(const Config::Optimizer&);

}  // namespace gradloom
