#pragma once

#include <string>

#include "support/catch.hpp"

namespace gradloom::testing {

/// The message of the E that `call` throws; what else happened where it throws something else, or nothing.
template <class E, class Call>
std::string message_of(Call call) {
  try {
    call();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    return std::string("(another exception) ") + error.what();
  }
  return "(nothing was thrown)";
}

/// Matches text that contains `part`, in Catch2 2 and 3.
inline auto has_text(const std::string& part) {
#if GRADLOOM_CATCH_MAJOR >= 3
  return Catch::Matchers::ContainsSubstring(part);
#else
  return Catch::Matchers::Contains(part);
#endif
}

}  // namespace gradloom::testing
