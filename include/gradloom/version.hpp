#pragma once

#include <string>

namespace gradloom {

/// "0.1.0"
std::string version();

/// Several lines: Gradloom, compiler, and every library with its version, the BLAS core type and the instruction set.
std::string version_report();

/// Throws Error, with the way out, where the process runs on a BLAS that cannot be trusted (OpenBLAS's serial flavour).
/// Called by train, fit, evaluate and predict themselves.
void require_safe_platform();

}  // namespace gradloom
