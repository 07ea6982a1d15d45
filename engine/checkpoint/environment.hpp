#pragma once

#include <string>
#include <vector>

namespace gradloom {

/// What decides a run's bits beside config, data and seed. Kept in every checkpoint.
struct Environment {
  std::string gradloom;         ///< version
  std::string blas;             ///< "OpenBLAS 0.3.21"
  std::string blas_core_type;   ///< the kernels chosen at run time, "Haswell"
  std::string instruction_set;  ///< of our own kernels, "AVX3"
};

/// Of this process.
Environment current_environment();

/// A phrase for each difference, "BLAS core type Haswell there and SkylakeX here".
std::vector<std::string> differences(const Environment& there, const Environment& here);

}  // namespace gradloom
