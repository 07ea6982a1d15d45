#include "engine/linalg/blas.hpp"

#include <cblas.h>
#include <fmt/format.h>

#include <mutex>
#include <sstream>

#include "gradloom/errors.hpp"

namespace gradloom {

BlasInfo blas_info() {
  // The configuration starts with name and version: "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ...".
  std::istringstream config(openblas_get_config());
  std::string name;
  std::string number;
  config >> name >> number;
  return {name + " " + number, openblas_get_corename(), openblas_get_parallel()};
}

void require_safe_blas(const BlasInfo& info) {
  if (info.parallel != 0) return;
  throw Error(fmt::format(
      "{} is loaded in its serial flavour, which returns wrong numbers when several threads call it: install "
      "libopenblas0-pthread and select it with 'update-alternatives --config libopenblas.so.0-x86_64-linux-gnu', or "
      "put its folder (/usr/lib/x86_64-linux-gnu/openblas-pthread) first in LD_LIBRARY_PATH",
      info.version));
}

void require_safe_blas() {
  static std::once_flag checked;  // stays unset where the check throws
  std::call_once(checked, [] {
    require_safe_blas(blas_info());
    openblas_set_num_threads(1);
  });
}

}  // namespace gradloom
