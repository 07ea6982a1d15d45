#include "apps/gradloom/commands.hpp"

#include <cstdio>

#include "gradloom/errors.hpp"

const std::vector<Command>& commands() {
  static const std::vector<Command> all = {train_command(),    evaluate_command(), predict_command(), import_command(),
                                           generate_command(), inspect_command(),  verify_command(),  check_command()};
  return all;
}

void print(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0)
    throw gradloom::FileError("cannot write to standard output");
}

std::size_t threads_of(const Arguments& arguments) {
  return arguments.integer("threads", 1, 640).value_or(0);  // 640: as train.threads
}

OptionSpec threads_option() { return {"threads", "N", "threads; all cores allowed to the process by default"}; }
