#include <fmt/format.h>

#include "apps/gradloom/commands.hpp"
#include "gradloom/evaluation.hpp"

namespace {

int run(const Arguments& arguments) {
  const std::string output = arguments.required("output");
  const auto& names = arguments.positionals();
  const std::uint64_t rows = gradloom::predict(names[0], names[1], output, threads_of(arguments));
  print(fmt::format("{}: predictions of {} rows\n", output, rows));
  return 0;
}

}  // namespace

Command predict_command() {
  return {{"predict",
           {"CHECKPOINT", "DATA"},
           "Writes a model's predictions for a data set, which need not hold targets.",
           {{"output", "FILE", "FILE.h5 (/prediction; for classes also /label) or FILE.csv"}, threads_option()},
           false,
           ""},
          run};
}
