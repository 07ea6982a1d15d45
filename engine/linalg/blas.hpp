#pragma once

#include <string>

namespace gradloom {

/// Facts about the BLAS library behind gemm().
struct BlasInfo {
  std::string version;    ///< "OpenBLAS 0.3.21"
  std::string core_type;  ///< the kernels chosen at run time, such as "Haswell"; bits can differ between core types
  int parallel;           ///< openblas_get_parallel(): 0 serial, 1 pthread, 2 OpenMP
};

BlasInfo blas_info();

/// Must be called before the first product, once per process; later calls are free. Throws Error on OpenBLAS's serial
/// flavour, which returns wrong numbers when several threads call it, and limits every call to one thread.
void require_safe_blas();

/// The check alone, on a library described by `info`.
void require_safe_blas(const BlasInfo& info);

}  // namespace gradloom
