#include <fmt/format.h>

#include <cstdio>
#include <string>

#include "apps/gradloom/commands.hpp"
#include "apps/gradloom/training_session.hpp"
#include "gradloom/config.hpp"
#include "gradloom/cross_validation.hpp"

namespace {

/// Nobody reading is no reason for an exit code that says the training failed.
void show(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

gradloom::CrossValidationOptions options_of(const Arguments& arguments, const TrainingSession& session, bool quiet) {
  gradloom::CrossValidationOptions options;
  options.folds = arguments.integer("folds", 2, 255).value_or(options.folds);
  options.stratified = arguments.has("stratified");
  options.training = session.options(arguments.has("resume"));
  if (quiet) return options;
  options.on_fold = [](const gradloom::Fold& fold, const std::string& run_dir) {
    show(fmt::format("fold {}: {}\n", to_string(fold), run_dir));
  };
  options.on_result = [](const gradloom::FoldResult& result) { show(test_line(*result.end.test) + "\n"); };
  return options;
}

int run_cross_validate(const Arguments& arguments) {
  const std::string& path = arguments.positionals().front();
  const bool json = arguments.has("json");
  const bool quiet = json || arguments.has("quiet");
  const TrainingSession session(quiet);
  const gradloom::Config config = gradloom::load_config(path, arguments.overrides());
  const auto validation = gradloom::cross_validate(config, options_of(arguments, session, quiet));
  if (!validation.complete()) {
    if (!quiet)
      show(
          fmt::format("stopped after {} of {} folds\nnext: gradloom cross-validate {} --resume (with the same other "
                      "arguments)\n",
                      validation.results.size(), validation.folds, path));
    return session.exit_code("signal");
  }
  print(json ? cross_validation_json(validation) : cross_validation_text(validation));
  return 0;
}

}  // namespace

Command cross_validate_command() {
  return {
      {"cross-validate",
       {"CONFIG"},
       "Trains a run for each fold of the training rows, and tests it on that fold.",
       {{"folds", "K", "how many, 2 to 255; 5 by default"},
        {"stratified", "", "every fold has its share of each class"},
        {"resume", "", "go on where folds, or a part of one, are done"},
        {"json", "", "print a JSON object, and nothing else but warnings and errors"},
        {"quiet", "", "print the table, warnings and errors alone"}},
       true,
       "A row's fold is a keyed hash of train.seed and the row; stratified, the rows of each class are dealt to the\n"
       "folds in turn, in an order by such a hash. Folds are trained one after the other, each as `gradloom train`\n"
       "with data.fold = N/K would, in RUN.DIR/fold-N. Means, deviations and validation rows are of the other\n"
       "folds' rows alone. The fold is judged by the best epoch's parameters where data.valid, data.valid-fraction\n"
       "or train_loss tell it, else by the last ones: it never chooses them itself.\n"
       "\n"
       "Printed are mean and standard deviation (of a sample, divided by K - 1) of the loss and of every metric;\n"
       "RUN.DIR/cross-validation.json has them too, with the numbers of each fold. Signals end it as they end\n"
       "train, and --resume goes on.\n"},
      run_cross_validate};
}
