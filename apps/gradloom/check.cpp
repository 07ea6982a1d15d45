#include "apps/gradloom/commands.hpp"
#include "gradloom/config.hpp"
#include "gradloom/trainer.hpp"

namespace {

int run_check(const Arguments& arguments) {
  const gradloom::Config config = gradloom::load_config(arguments.positionals().front(), arguments.overrides());
  for (const std::string& fact : gradloom::check(config)) print(fact + "\n");
  print("ok\n");
  return 0;
}

}  // namespace

Command check_command() {
  return {{"check", {"CONFIG"}, "Finds everything that train would refuse, without training.", {}, true, ""},
          run_check};
}
