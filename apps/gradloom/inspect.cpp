#include "gradloom/inspect.hpp"

#include "apps/gradloom/commands.hpp"

namespace {

int run(const Arguments& arguments) {
  std::string text = gradloom::inspect(arguments.positionals().front(), arguments.has("json"));
  if (!text.ends_with('\n')) text += '\n';
  print(text);
  return 0;
}

}  // namespace

Command inspect_command() {
  return {{"inspect",
           {"FILE"},
           "Says what a checkpoint, run folder or data set file holds.",
           {{"json", "", "print a JSON object"}},
           false,
           ""},
          run};
}
