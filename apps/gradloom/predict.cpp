#include <fmt/format.h>

#include "apps/gradloom/commands.hpp"
#include "gradloom/evaluation.hpp"

namespace {

int run_predict(const Arguments& arguments) {
  const std::string output = arguments.required("output");
  const auto& names = arguments.positionals();
  remove_outputs_on_signals();
  const std::uint64_t rows = gradloom::predict(names[0], names[1], output, evaluation_options_of(arguments));
  print(fmt::format("{}: predictions of {} rows\n", output, rows));
  return 0;
}

}  // namespace

Command predict_command() {
  return {{"predict",
           {"CHECKPOINT", "DATA"},
           "Writes a model's predictions for a data set, which need not hold targets.",
           {{"output", "FILE", "FILE.h5 (/prediction; for classes also /label) or FILE.csv"},
            threads_option(),
            memory_option()},
           false,
           ""},
          run_predict};
}
