#include "engine/checkpoint/environment.hpp"

#include <fmt/format.h>

#include "engine/linalg/blas.hpp"
#include "engine/linalg/kernels.hpp"
#include "gradloom/version.hpp"

namespace gradloom {

Environment current_environment() {
  const BlasInfo blas = blas_info();
  return {version(), blas.version, blas.core_type, instruction_set()};
}

std::vector<std::string> differences(const Environment& there, const Environment& here) {
  std::vector<std::string> phrases;
  const auto compare = [&](const char* what, const std::string& a, const std::string& b) {
    if (a != b) phrases.push_back(fmt::format("{} {} there and {} here", what, a, b));
  };
  compare("Gradloom", there.gradloom, here.gradloom);
  compare("BLAS", there.blas, here.blas);
  compare("BLAS core type", there.blas_core_type, here.blas_core_type);
  compare("instruction set", there.instruction_set, here.instruction_set);
  return phrases;
}

}  // namespace gradloom
