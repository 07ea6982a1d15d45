#include "apps/gradloom/commands.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>

#include "gradloom/config.hpp"
#include "gradloom/errors.hpp"
#include "gradloom/import.hpp"
#include "gradloom/progress.hpp"

namespace {

void clear_and_end(int signal) {
  gradloom::remove_unfinished_outputs();
  std::signal(signal, SIG_DFL);
  std::raise(signal);  // held back until this handler returns
}

}  // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> all = {
      train_command(),    cross_validate_command(), evaluate_command(), predict_command(), import_command(),
      generate_command(), repack_command(),         inspect_command(),  bench_command(),   verify_command(),
      check_command(),    verify_resume_command(),  schedule_command()};
  return all;
}

void print(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0)
    throw gradloom::FileError("cannot write to standard output");
}

void remove_outputs_on_signals() {
  for (const int signal : {SIGINT, SIGTERM})
    if (std::signal(signal, clear_and_end) == SIG_IGN) std::signal(signal, SIG_IGN);  // as `nohup` and `&` ask
}

std::function<void(const gradloom::WorkProgress&)> progress_bar() {
  if (::isatty(STDERR_FILENO) == 0) return nullptr;
  return [bar = std::make_shared<gradloom::WorkBar>(stderr)](const gradloom::WorkProgress& progress) {
    bar->show(progress);
  };
}

std::size_t threads_of(const Arguments& arguments) {
  return arguments.integer("threads", 1, 640).value_or(0);  // 640: as train.threads
}

OptionSpec threads_option() { return {"threads", "N", "threads; all cores allowed to the process by default"}; }

gradloom::EvaluationOptions evaluation_options_of(const Arguments& arguments) {
  gradloom::EvaluationOptions options;
  options.threads = threads_of(arguments);
  if (const auto text = arguments.value("memory")) {
    const auto bytes = gradloom::parse_size(*text);
    if (!bytes || *bytes == 0)
      arguments.refuse(fmt::format("--memory {}: must be bytes, such as 512MiB, 2GiB or 1000000", *text));
    options.memory = *bytes;
  }
  return options;
}

OptionSpec memory_option() {
  return {"memory", "SIZE",
          "bytes that the data may take, such as 512MiB: larger sets are streamed; a quarter of the "
          "RAM by default"};
}
