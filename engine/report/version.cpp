#include "gradloom/version.hpp"

#include <fmt/format.h>
#include <hwy/highway.h>
#include <libdeflate.h>
#include <xxhash.h>
#include <zlib.h>

#include <nlohmann/json.hpp>

#include "engine/config/ini.hpp"
#include "engine/core/parallel.hpp"
#include "engine/io/hdf5.hpp"
#include "engine/io/npz.hpp"
#include "engine/linalg/blas.hpp"
#include "engine/linalg/kernels.hpp"

namespace gradloom {
namespace {

std::string compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}

/// 90100 is "9.1.0", as fmt and xxHash number themselves.
std::string dotted(unsigned number) {
  return fmt::format("{}.{}.{}", number / 10000, number / 100 % 100, number % 100);
}

}  // namespace

std::string version() { return GRADLOOM_VERSION; }

std::string version_report() {
  const BlasInfo blas = blas_info();
  std::string text = fmt::format("gradloom {}\n", version());
  text += fmt::format("compiler: {}\n", compiler());
  text += fmt::format("BLAS: {}, core type {}\n", blas.version, blas.core_type);
  text += fmt::format("instruction set: {}\n", instruction_set());
  text += fmt::format(
      "libraries: {}, {}, {}, zlib {}, libdeflate {}, {}, Highway {}.{}.{}, xxHash {}, fmt {}, nlohmann-json "
      "{}.{}.{}\n",
      tbb_version(), h5::version(), boost_version(), zlibVersion(), LIBDEFLATE_VERSION_STRING, libzip_version(),
      HWY_MAJOR, HWY_MINOR, HWY_PATCH, dotted(XXH_versionNumber()), dotted(FMT_VERSION), NLOHMANN_JSON_VERSION_MAJOR,
      NLOHMANN_JSON_VERSION_MINOR, NLOHMANN_JSON_VERSION_PATCH);
  return text;
}

void require_safe_platform() { require_safe_blas(); }

}  // namespace gradloom
