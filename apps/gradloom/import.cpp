#include "gradloom/import.hpp"

#include <fmt/format.h>

#include <utility>

#include "apps/gradloom/commands.hpp"
#include "gradloom/config.hpp"

namespace {

gradloom::MissingCells missing_of(const Arguments& arguments) {
  const std::string text = arguments.value("missing").value_or("error");
  if (text == "error") return gradloom::MissingCells::kError;
  if (text == "mean") return gradloom::MissingCells::kMean;
  if (text == "drop") return gradloom::MissingCells::kDrop;
  arguments.refuse(fmt::format("--missing {}: must be one of mean, drop, error", text));
}

gradloom::HeaderMode header_of(const Arguments& arguments) {
  if (arguments.has("header") && arguments.has("no-header"))
    arguments.refuse("--header and --no-header exclude each other");
  if (arguments.has("header")) return gradloom::HeaderMode::kPresent;
  return arguments.has("no-header") ? gradloom::HeaderMode::kAbsent : gradloom::HeaderMode::kDetect;
}

gradloom::SourceFormat format_of(const Arguments& arguments) {
  using enum gradloom::SourceFormat;
  const std::optional<std::string> text = arguments.value("format");
  if (!text) return kDetect;
  for (const auto& [name, format] : {std::pair{"csv", kTable}, std::pair{"libsvm", kLibsvm}, std::pair{"idx", kIdx},
                                     std::pair{"npy", kNpy}, std::pair{"npz", kNpz}})
    if (*text == name) return format;
  arguments.refuse(fmt::format("--format {}: must be one of csv, libsvm, idx, npy, npz", *text));
}

/// "0.8,0.1,0.1".
std::vector<double> split_of(const Arguments& arguments) {
  std::vector<double> fractions;
  std::string rest = arguments.value("split").value_or("");
  if (rest.empty() && !arguments.has("split")) return fractions;
  for (bool more = true; more;) {
    const std::size_t comma = rest.find(',');
    const std::optional<double> fraction = parse_real(rest.substr(0, comma));
    if (!fraction || *fraction < 0 || *fraction > 1)
      arguments.refuse(fmt::format("--split {}: must be fractions of train, valid and test, such as 0.8,0.1,0.1",
                                   *arguments.value("split")));
    fractions.push_back(*fraction);
    more = comma != std::string::npos;
    if (more) rest.erase(0, comma + 1);
  }
  return fractions;
}

std::string import_text(const gradloom::ImportReport& report) {
  std::string text;
  for (const gradloom::ImportedFile& file : report.files)
    text +=
        fmt::format("{}: {} rows, {} features, {} outputs\n", file.path, file.rows, report.features, report.outputs);
  if (report.dropped_rows > 0)
    text += fmt::format("dropped {} of {} rows for missing cells\n", report.dropped_rows, report.source_rows);
  if (report.filled_cells > 0)
    text += fmt::format("filled {} missing cells with their column's mean\n", report.filled_cells);
  if (!report.class_names.empty()) text += fmt::format("classes from 0: {}\n", fmt::join(report.class_names, ", "));
  return text;
}

int run_import(const Arguments& arguments) {
  gradloom::ImportOptions options;
  options.sources = arguments.positionals();
  options.output = arguments.required("output");
  options.targets = arguments.all("target");
  options.weight = arguments.value("weight").value_or("");
  if (options.weight.empty() && arguments.has("weight")) arguments.refuse("--weight: names no column");
  options.header = header_of(arguments);
  options.categorical = arguments.all("categorical");
  options.missing = missing_of(arguments);
  options.classify = arguments.has("classify");
  options.format = format_of(arguments);
  options.features = arguments.integer("features", 1, 10'000'000);
  options.zero_based = arguments.has("zero-based");
  options.arrays = arguments.all("array");
  options.threads = threads_of(arguments);
  options.scale = arguments.real("scale").value_or(options.scale);
  options.split = split_of(arguments);
  options.seed = arguments.integer("seed").value_or(options.seed);
  remove_outputs_on_signals();
  options.on_progress = progress_bar();
  const gradloom::ImportReport report = gradloom::import_data(options);
  options.on_progress = nullptr;
  print(import_text(report));
  return 0;
}

}  // namespace

Command import_command() {
  return {
      {"import",
       {"SOURCE..."},
       "Turns CSV, TSV, LIBSVM, IDX, NPY or NPZ files into a data set file.",
       {{"output", "FILE.h5", "data set file to write"},
        {"target", "COLUMN", "target column: its name, or its index from 0 (negative: from the end)", true},
        {"weight", "COLUMN", "column of the rows' weights, for /weight: train with data.weights = weight"},
        {"header", "", "the first line names the columns (found out by default)"},
        {"no-header", "", "the first line is data"},
        {"categorical", "COLUMN", "one-hot this column although it looks numeric", true},
        {"missing", "HOW", "missing cells: mean, drop, or error (default)"},
        {"classify", "", "targets become class indices; their labels are stored"},
        {"features", "N", "columns of /x of LIBSVM (default: as many as the largest index asks for)"},
        {"zero-based", "", "indices of LIBSVM begin at 0 (found out where one is 0; else they begin at 1)"},
        {"array", "NAME", "array of an NPZ file: first that of the features, then that of the targets", true},
        {"scale", "FACTOR", "factor on every feature of IDX, NPY and NPZ files"},
        {"split", "A,B,C", "write FILE.train.h5, FILE.valid.h5 and FILE.test.h5 with these shares of the rows"},
        {"seed", "K", "decides the split (default 1)"},
        {"format", "FORMAT", "csv (TSV too), libsvm, idx, npy or npz (found out by default)"},
        threads_option()},
       false,
       "SOURCE is one or several CSV, TSV or LIBSVM files that make one table, or an IDX file of images and one of\n"
       "labels, or an NPY file of features (rows first; what a row holds is flattened) and one of targets, (rows) or\n"
       "(rows, outputs), or one NPZ file that holds such arrays. All but NPZ may be gzipped. - is standard input. "
       "Pipes\n"
       "and standard input are copied beside FILE.h5 first, and the arrays of NPZ are unpacked there; nothing of that\n"
       "stays. Memory does not grow with the length of a file.\n\n"
       "CSV: columns end at commas, semicolons or tabs, whichever the first line has most of (tabs in files called\n"
       ".tsv); cells in double quotes may hold separators, line ends and doubled quotes. Cells are missing where they\n"
       "are empty, ?, NA, N/A, NaN or null. A column with texts becomes a column for each different text.\n\n"
       "LIBSVM: a line is LABEL INDEX:VALUE INDEX:VALUE ..., with ascending indices. Labels are the targets; values\n"
       "that are not named are 0: /x is dense, and deflated where most of it is 0. Give --features (and --zero-based)\n"
       "where training and test sets are imported apart.\n\n"
       "NPZ: the arrays are those of --array; else x and y; else the only one; else arr_0 and arr_1.\n\n"
       "NPY may hold bool, int8 to int64, uint8 to uint64 and float16 to float64, in either byte order and in C's or\n"
       "Fortran's order. Features are stored as uint8 (bool, uint8), int32 (int8, int16, uint16, int32), int64\n"
       "(uint32, int64), uint64, float32 (float16, float32) or float64, all without loss; with --scale as float32,\n"
       "or as float64 where they were of 32 bits and more and not float32. Targets are stored as float64; with\n"
       "--classify they must be class indices from 0 and are stored as int32, as labels of IDX always are. CSV and\n"
       "LIBSVM are stored as float64.\n"},
      run_import};
}
