#pragma once

#include <functional>
#include <string>
#include <vector>

#include "apps/gradloom/command_line.hpp"
#include "gradloom/evaluation.hpp"
#include "gradloom/work_progress.hpp"

/// A command of the program. `run` returns the exit code, or throws what main prints.
struct Command {
  CommandSpec spec;
  int (*run)(const Arguments& arguments);
};

Command train_command();
Command cross_validate_command();
Command evaluate_command();
Command predict_command();
Command import_command();
Command generate_command();
Command repack_command();
Command inspect_command();
Command bench_command();
Command verify_command();
Command verify_resume_command();
Command check_command();
Command schedule_command();

/// All of them, in the order of the help.
const std::vector<Command>& commands();

/// Writes to standard output. FileError where that fails (a full disk, a closed descriptor).
void print(const std::string& text);

/// From here on SIGINT and SIGTERM take the unfinished outputs of import, generate, repack and predict with them.
void remove_outputs_on_signals();

/// For on_progress: draws a bar where standard error is a terminal, and wipes it away when the function is gone.
std::function<void(const gradloom::WorkProgress&)> progress_bar();

/// `--threads` of commands that have it; 0 where it is absent: all cores allowed to the process.
std::size_t threads_of(const Arguments& arguments);
OptionSpec threads_option();

/// `--threads` and `--memory` of commands that use a model.
gradloom::EvaluationOptions evaluation_options_of(const Arguments& arguments);
OptionSpec memory_option();
