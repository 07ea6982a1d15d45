#include "gradloom/inspect.hpp"

#include "apps/gradloom/commands.hpp"

namespace {

int run_inspect(const Arguments& arguments) {
  std::string text = gradloom::inspect(arguments.positionals().front(), arguments.has("json"), threads_of(arguments));
  if (!text.ends_with('\n')) text += '\n';
  print(text);
  return 0;
}

}  // namespace

Command inspect_command() {
  return {{"inspect",
           {"FILE"},
           "Says what a checkpoint, run folder or data set file holds; of data, the statistics and what they need.",
           {{"json", "", "print a JSON object"}, threads_option()},
           false,
           ""},
          run_inspect};
}
