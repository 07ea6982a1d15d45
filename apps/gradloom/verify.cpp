#include <fmt/format.h>

#include <exception>

#include "apps/gradloom/commands.hpp"
#include "gradloom/errors.hpp"
#include "gradloom/inspect.hpp"

namespace {

/// A line for every file; the first bad one's error goes on to main, which makes the exit code of it.
int run_verify(const Arguments& arguments) {
  std::exception_ptr first;
  for (const std::string& path : arguments.positionals()) {
    try {
      const std::string line = gradloom::verify(path);
      print(line.starts_with(path) ? line + "\n" : fmt::format("{}: {}\n", path, line));
    } catch (const gradloom::Error& error) {
      if (!first) first = std::current_exception();
      print(fmt::format("BAD {}\n", error.what()));
    }
  }
  if (first) std::rethrow_exception(first);
  return 0;
}

}  // namespace

Command verify_command() {
  return {{"verify",
           {"FILE..."},
           "Exits 0 only where every checkpoint or data set file is whole and readable by train.",
           {},
           false,
           ""},
          run_verify};
}
