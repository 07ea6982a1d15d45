#include "gradloom/generate.hpp"

#include <fmt/format.h>

#include "apps/gradloom/commands.hpp"

namespace {

int run_generate(const Arguments& arguments) {
  gradloom::GenerateOptions options;
  options.name = arguments.positionals().front();
  options.output = arguments.required("output");
  options.rows = arguments.required_integer("rows", 1);
  if (const auto features = arguments.integer("features", 1)) options.features = *features;
  options.noise = arguments.real("noise").value_or(options.noise);
  options.seed = arguments.integer("seed").value_or(options.seed);
  remove_outputs_on_signals();
  gradloom::generate(options);
  print(fmt::format("{}: {} rows of {}\n", options.output, options.rows, options.name));
  return 0;
}

std::string list_of_sets() {
  std::string text = "NAME is one of\n";
  for (const auto& [name, formula] : gradloom::generator_names()) text += fmt::format("  {:<12} {}\n", name, formula);
  return text;
}

}  // namespace

Command generate_command() {
  return {{"generate",
           {"NAME"},
           "Writes a synthetic data set of any size.",
           {{"rows", "N", "rows to write"},
            {"features", "F", "features; the set's own number by default"},
            {"noise", "S", "standard deviation of the noise (default 0)"},
            {"seed", "K", "another seed, other rows (default 1)"},
            {"output", "FILE.h5", "data set file to write"}},
           false,
           list_of_sets()},
          run_generate};
}
