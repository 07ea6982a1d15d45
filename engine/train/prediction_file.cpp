#include "engine/train/prediction_file.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "engine/data/pending_files.hpp"
#include "engine/io/hdf5.hpp"
#include "engine/nn/loss.hpp"
#include "engine/train/metrics.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kCsvBufferBytes = 1 << 20;

bool is_hdf5(const std::string& path) { return fs::path(path).extension() == ".h5"; }

// (rows, target_columns): the likeliest class, or 1 where a probability is over one half.
template <class T>
Matrix<std::int32_t> labels_of(Loss loss, MatrixView<const T> probabilities) {
  Matrix<std::int32_t> labels(probabilities.rows, target_columns(loss, probabilities.cols));
  for (std::size_t r = 0; r < labels.rows(); ++r)
    for (std::size_t c = 0; c < labels.cols(); ++c)
      labels(r, c) = loss == Loss::kCategoricalCrossEntropy ? static_cast<std::int32_t>(likeliest(probabilities.row(r)))
                     : probabilities(r, c) > T{0.5}         ? 1
                                                            : 0;
  return labels;
}

template <class T>
void write_hdf5(const std::string& path, Loss loss, MatrixView<const T> predictions,
                const std::vector<std::string>& class_names) {
  h5::File file = h5::File::create(path);
  const std::array<std::uint64_t, 2> shape{predictions.rows, predictions.cols};
  file.write<T>("/prediction", shape, predictions.data);
  if (is_classification(loss)) {
    const Matrix<std::int32_t> labels = labels_of(loss, predictions);
    const std::array<std::uint64_t, 2> label_shape{labels.rows(), labels.cols()};
    const std::size_t rank = loss == Loss::kCategoricalCrossEntropy ? 1 : 2;
    file.write<std::int32_t>("/label", std::span(label_shape).first(rank), labels.data());
    if (!class_names.empty())
      for (const char* set : {"/prediction", "/label"}) file.write_attribute(set, "classes", class_names);
  }
  file.close();
}

// A cell, in quotes where a comma, a quote or a line end asks for them (RFC 4180).
std::string cell(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + '"';
}

std::string class_name(std::size_t label, const std::vector<std::string>& names) {
  return label < names.size() ? names[label] : fmt::format("{}", label);
}

std::vector<std::string> numbered(const std::string& name, std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back(count == 1 ? name : fmt::format("{}_{}", name, i));
  return names;
}

std::vector<std::string> header(Loss loss, std::size_t outputs, const std::vector<std::string>& class_names) {
  if (!is_classification(loss)) return numbered("prediction", outputs);
  std::vector<std::string> names;
  const bool one_probability = loss == Loss::kBinaryCrossEntropy && outputs == 1;  // that of class 1
  const bool by_class = one_probability || loss == Loss::kCategoricalCrossEntropy;
  for (std::size_t o = 0; o < outputs; ++o)
    names.push_back("p_" + (by_class ? class_name(one_probability ? 1 : o, class_names) : fmt::format("{}", o)));
  for (std::string& label : numbered("label", target_columns(loss, outputs))) names.push_back(std::move(label));
  return names;
}

// Text in large pieces, every one of them checked.
class CsvWriter {
 public:
  explicit CsvWriter(const std::string& path) : path_(path), out_(path, std::ios::binary) { check("opened"); }
  void cell(std::string_view text) {
    if (!line_start_) buffer_ += ',';
    buffer_ += text;
    line_start_ = false;
  }
  void end_line() {
    buffer_ += '\n';
    line_start_ = true;
    if (buffer_.size() >= kCsvBufferBytes) flush();
  }
  void close() {
    flush();
    out_.close();
    check("closed");
  }

 private:
  void flush() {
    out_.write(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
    check("written");
    buffer_.clear();
  }
  void check(std::string_view what) const {
    if (!out_) throw FileError(fmt::format("{}: cannot be {}: {}", path_, what, std::strerror(errno)));
  }

  std::string path_;
  std::ofstream out_;
  std::string buffer_;
  bool line_start_ = true;
};

template <class T>
void write_csv(const std::string& path, Loss loss, MatrixView<const T> predictions,
               const std::vector<std::string>& class_names) {
  CsvWriter csv(path);
  for (const std::string& name : header(loss, predictions.cols, class_names)) csv.cell(cell(name));
  csv.end_line();
  const Matrix<std::int32_t> labels =
      is_classification(loss) ? labels_of(loss, predictions) : Matrix<std::int32_t>(predictions.rows, 0);
  // Names stand for classes 0, 1, ...; several binary outputs have no classes of their own.
  const bool named = loss == Loss::kCategoricalCrossEntropy || predictions.cols == 1;
  for (std::size_t r = 0; r < predictions.rows; ++r) {
    for (const T value : predictions.row(r)) csv.cell(fmt::format("{}", value));
    for (const std::int32_t label : labels.row(r))
      csv.cell(named ? cell(class_name(static_cast<std::size_t>(label), class_names)) : fmt::format("{}", label));
    csv.end_line();
  }
  csv.close();
}

}  // namespace

void require_prediction_format(const std::string& path) {
  if (!is_hdf5(path) && fs::path(path).extension() != ".csv")
    throw ConfigError(
        fmt::format("--output {}: predictions are written as .h5 or .csv; give it one of these endings", path));
}

template <class T>
void write_predictions(const std::string& path, Loss loss, MatrixView<const T> predictions,
                       const std::vector<std::string>& class_names) {
  PendingFiles output;
  const std::string temporary = output.add(path);
  if (is_hdf5(path))
    write_hdf5<T>(temporary, loss, predictions, class_names);
  else
    write_csv<T>(temporary, loss, predictions, class_names);
  output.publish();
}

template void write_predictions(const std::string&, Loss, MatrixView<const float>, const std::vector<std::string>&);
template void write_predictions(const std::string&, Loss, MatrixView<const double>, const std::vector<std::string>&);

}  // namespace gradloom
