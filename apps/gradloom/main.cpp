#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <new>
#include <string_view>

#include "apps/gradloom/commands.hpp"
#include "gradloom/config.hpp"
#include "gradloom/errors.hpp"
#include "gradloom/version.hpp"

namespace {

using Words = std::vector<std::string>;

/// OpenBLAS starts its threads when it is loaded, before main, by the environment; ours are TBB's. So the program
/// starts itself again with the variable set. No loop: the second time the variable is "1".
void restart_with_one_blas_thread(char** argv) {
  constexpr const char* kVariable = "OPENBLAS_NUM_THREADS";
  const char* value = std::getenv(kVariable);
  if (value && std::string_view(value) == "1") return;
  ::setenv(kVariable, "1", 1);
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) ::execv(program.c_str(), argv);
  // Where that fails the idle threads stay, which costs memory and nothing else.
}

std::string overview() {
  std::string text = "usage: gradloom COMMAND ...\n\n";
  for (const Command& command : commands())
    text += fmt::format("  {:<14} {}\n", command.spec.name, command.spec.summary);
  return text +
         "\n"
         "  gradloom help COMMAND   a command's arguments\n"
         "  gradloom help config    the keys of a config file\n"
         "  gradloom --version      versions of Gradloom and its libraries\n";
}

const Command& find_command(const std::string& name) {
  Words known = {"help"};
  for (const Command& command : commands()) {
    if (command.spec.name == name) return command;
    known.push_back(command.spec.name);
  }
  const auto nearest = gradloom::nearest_name(name, known);
  throw gradloom::ConfigError(fmt::format("unknown command '{}'{}; `gradloom help` lists the commands", name,
                                          nearest ? fmt::format(" (did you mean {}?)", *nearest) : ""));
}

int help(const Words& topics) {
  if (topics.size() > 1) throw gradloom::ConfigError("help takes one command; see `gradloom help`");
  if (topics.empty() || topics[0] == "help")
    print(overview());
  else if (topics[0] == "config")
    print(gradloom::config_help());
  else
    print(help_text(find_command(topics[0]).spec));
  return 0;
}

bool asks_for_help(const Words& words) {
  const auto end = std::find(words.begin(), words.end(), "--");
  return std::any_of(words.begin(), end, [](const std::string& word) { return word == "--help" || word == "-h"; });
}

int run_command(const Words& words) {
  if (words.empty()) {
    std::fputs(overview().c_str(), stderr);
    return static_cast<int>(gradloom::ExitCode::kConfig);
  }
  const std::string& name = words.front();
  const Words rest(words.begin() + 1, words.end());
  if (name == "help" || name == "--help" || name == "-h") return help(rest);
  if (name == "--version" || name == "version") {
    print(gradloom::version_report());
    return 0;
  }
  const Command& command = find_command(name);
  if (asks_for_help(rest)) return help({name});
  return command.run(Arguments(command.spec, rest));
}

/// One line on standard error, whatever the message holds.
int report(std::string message, gradloom::ExitCode code) {
  std::replace(message.begin(), message.end(), '\n', ' ');
  std::fflush(stdout);
  std::fputs(fmt::format("gradloom: error: {}\n", message).c_str(), stderr);
  return static_cast<int>(code);
}

}  // namespace

int main(int argc, char** argv) {
  restart_with_one_blas_thread(argv);
  try {
    return run_command(Words(argv + std::min(argc, 1), argv + argc));
  } catch (const gradloom::Error& error) {
    return report(error.what(), error.code());
  } catch (const std::bad_alloc&) {
    return report("out of memory; use a smaller train.batch-size, a smaller network or less data",
                  gradloom::ExitCode::kDefect);
  } catch (const std::exception& error) {
    return report(fmt::format("a defect of gradloom: {}", error.what()), gradloom::ExitCode::kDefect);
  }
}
