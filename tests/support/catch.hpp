#pragma once

/// Catch2 2 (Debian 12) and 3 behind one include.
#if GRADLOOM_CATCH_MAJOR >= 3
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif
