#include "gradloom/repack.hpp"

#include <fmt/format.h>

#include "apps/gradloom/commands.hpp"
#include "gradloom/config.hpp"

namespace {

/// The name of a data set; empty for "none".
std::string set_name(const Arguments& arguments, const std::string& option, const std::string& by_default) {
  const std::string name = arguments.value(option).value_or(by_default);
  if (name.empty()) arguments.refuse(fmt::format("--{} needs the name of a data set, or none", option));
  return name == "none" ? "" : name;
}

std::uint64_t memory_of(const Arguments& arguments, std::uint64_t by_default) {
  const auto text = arguments.value("memory");
  if (!text) return by_default;
  const auto bytes = gradloom::parse_size(*text);
  if (!bytes || *bytes < gradloom::RepackOptions::kLeastMemory)
    arguments.refuse(fmt::format("--memory {}: must be bytes, such as 512MiB, at least 16MiB", *text));
  return *bytes;
}

gradloom::RepackOptions repack_options(const Arguments& arguments) {
  gradloom::RepackOptions options;
  options.sources = arguments.positionals();
  options.output = arguments.required("output");
  options.features = set_name(arguments, "features", options.features);
  if (options.features.empty()) arguments.refuse("--features must name a data set");
  options.targets = set_name(arguments, "targets", options.targets);
  options.weights = set_name(arguments, "weights", "none");
  options.chunk_rows = arguments.integer("chunk-rows", 1).value_or(options.chunk_rows);
  options.deflate = static_cast<int>(arguments.integer("deflate", 0, 9).value_or(0));
  options.shuffle_rows = arguments.has("shuffle-rows");
  if (arguments.has("seed") && !options.shuffle_rows) arguments.refuse("--seed is for --shuffle-rows");
  options.seed = arguments.integer("seed").value_or(options.seed);
  options.shards = arguments.integer("shards", 1, gradloom::RepackOptions::kMostShards).value_or(options.shards);
  options.memory = memory_of(arguments, options.memory);
  return options;
}

std::string set_text(const gradloom::RepackedSet& set) {
  const std::string from = set.from_type.empty() ? "" : fmt::format(" of {}", set.from_type);
  return fmt::format("{} {} x {}{}", set.name, set.cols, set.type, from);
}

std::string repack_text(const gradloom::RepackOptions& options, const gradloom::RepackReport& report) {
  const auto& files = report.files;
  std::string text = files.front().path;
  if (files.size() > 1) text += fmt::format(" to {}", files.back().path);
  text += fmt::format(": {} rows", report.rows);
  for (const gradloom::RepackedSet& set : report.sets) text += ", " + set_text(set);
  if (options.shuffle_rows) text += fmt::format(", shuffled by seed {}", options.seed);
  text += "\n";
  if (files.size() > 1) text += fmt::format("train them with data.train = {}\n", report.train);
  if (!report.left_out.empty()) text += fmt::format("left out: {}\n", fmt::join(report.left_out, ", "));
  return text;
}

int run_repack(const Arguments& arguments) {
  gradloom::RepackOptions options = repack_options(arguments);
  remove_outputs_on_signals();
  options.on_progress = progress_bar();
  const gradloom::RepackReport report = gradloom::repack(options);
  options.on_progress = nullptr;
  print(repack_text(options, report));
  return 0;
}

}  // namespace

Command repack_command() {
  return {
      {"repack",
       {"SOURCE..."},
       "Rewrites a data set for fast streaming, its rows shuffled where wanted.",
       {{"output", "FILE.h5", "data set file to write; never one of the sources"},
        {"chunk-rows", "N", "rows in a chunk of every set; about 1 MiB by default"},
        {"deflate", "L", "compress at level 1 to 9 (default 0: not at all)"},
        {"shuffle-rows", "", "put all rows in a random order"},
        {"seed", "K", "decides that order, with the number of rows alone (default 1)"},
        {"shards", "N", "split the rows evenly, in order, over N files (default 1)"},
        {"memory", "SIZE", "memory to work in (default 256MiB); the result does not depend on it"},
        {"features", "NAME", "data set of features (default x)"},
        {"targets", "NAME", "data set of targets (default y), or none"},
        {"weights", "NAME", "data set of row weights (default none)"}},
       false,
       "SOURCE is a data set file, or several or a quoted glob, read in that order as one. The sets named keep their\n"
       "names, their types (big-endian becomes little-endian), every bit of their numbers, and their attributes names\n"
       "and classes where those are strings of fixed length; other sets are left out, and named. Types that NumPy\n"
       "does not have are kept as the next larger integer, or as float64.\n\n"
       "Shards are called FILE.000-of-NNN.h5 and so on; data.train = FILE.*-of-NNN.h5 trains them.\n\n"
       "What does not fit in memory goes to temporary files beside the output: with --shuffle-rows the size of all\n"
       "rows (uncompressed), for sources in chunks of many rows and few columns that of a chunk's rows.\n"},
      run_repack};
}
