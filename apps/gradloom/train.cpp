#include <fmt/format.h>

#include <cstdio>

#include "apps/gradloom/commands.hpp"
#include "apps/gradloom/training_session.hpp"
#include "gradloom/config.hpp"
#include "gradloom/trainer.hpp"

namespace {

/// Held-out data as a shell takes them.
std::string as_argument(const std::string& files) {
  if (files.empty()) return "DATA";
  return files.find_first_of(" *?[") == std::string::npos ? files : "'" + files + "'";
}

void print_end(const gradloom::Config& config, const gradloom::EndReport& end, const std::string& config_path) {
  std::string text =
      fmt::format("{} after {} steps and {} epochs in {:.1f} s ({})\n", end.reason == "signal" ? "stopped" : "done",
                  end.step, end.epoch, end.elapsed_seconds, end.reason);
  text += fmt::format("run folder: {}\n", config.run.dir);
  if (!end.last_checkpoint.empty()) text += fmt::format("last checkpoint: {}\n", end.last_checkpoint);
  if (end.restored_step)
    text +=
        fmt::format("restored: it holds the best epoch's state, of step {} (train.restore-best)\n", *end.restored_step);
  if (!end.best_checkpoint.empty()) text += fmt::format("best checkpoint: {}\n", end.best_checkpoint);
  const std::string& held_out = config.data.test.empty() ? config.data.valid : config.data.test;
  if (end.reason == "signal")
    text += fmt::format("next: gradloom train {} --resume (with the same --SECTION.KEY=VALUE, if any)\n", config_path);
  else
    text += fmt::format("next: gradloom evaluate {} {}\n", config.run.dir, as_argument(held_out));
  // Nobody reading is no reason for an exit code that says the training failed.
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

int run_train(const Arguments& arguments) {
  const std::string& path = arguments.positionals().front();
  const TrainingSession session(arguments.has("quiet"));
  const gradloom::Config config = gradloom::load_config(path, arguments.overrides());
  const gradloom::EndReport end = gradloom::train(config, session.options(arguments.has("resume")));
  if (!arguments.has("quiet")) {
    if (end.test) std::fputs(test_line(*end.test).c_str(), stdout);
    print_end(config, end, path);
  }
  return session.exit_code(end.reason);
}

}  // namespace

Command train_command() {
  return {{"train",
           {"CONFIG"},
           "Trains the network that the config describes.",
           {{"resume", "", "go on from the run folder's newest valid checkpoint, or start where there is none"},
            {"quiet", "", "print nothing but warnings and errors"}},
           true,
           "SIGINT and SIGTERM end training after the step under way, with a checkpoint (exit 130, 143); a second one\n"
           "ends it at once. SIGUSR1 has a checkpoint written, and training goes on.\n"},
          run_train};
}
