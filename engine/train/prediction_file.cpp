#include "engine/train/prediction_file.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>

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

// How predictions are written.
template <class T>
class Format {
 public:
  virtual ~Format() = default;
  virtual void add(MatrixView<const T> predictions) = 0;
  virtual void close() = 0;
};

template <class T>
class Hdf5Format final : public Format<T> {
 public:
  Hdf5Format(const std::string& path, Loss loss, std::size_t outputs, const std::vector<std::string>& class_names)
      : file_(h5::File::create(path)), loss_(loss) {
    file_.create_rows<T>("/prediction", {.cols = outputs});
    if (!is_classification(loss)) return;
    file_.create_rows<std::int32_t>("/label", {.cols = loss == Loss::kCategoricalCrossEntropy ? 0 : outputs});
    if (class_names.empty()) return;
    for (const char* set : {"/prediction", "/label"}) file_.write_attribute(set, "classes", class_names);
  }

  void add(MatrixView<const T> predictions) override {
    file_.append_rows<T>("/prediction", predictions);
    if (!is_classification(loss_)) return;
    const Matrix<std::int32_t> labels = labels_of(loss_, predictions);
    file_.append_rows<std::int32_t>("/label", labels.view());
  }
  void close() override { file_.close(); }

 private:
  h5::File file_;
  Loss loss_;
};

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
class CsvFormat final : public Format<T> {
 public:
  CsvFormat(const std::string& path, Loss loss, std::size_t outputs, const std::vector<std::string>& class_names)
      : csv_(path),
        loss_(loss),
        class_names_(class_names),
        // Names stand for classes 0, 1, ...; several binary outputs have no classes of their own.
        named_(loss == Loss::kCategoricalCrossEntropy || outputs == 1) {
    for (const std::string& name : header(loss, outputs, class_names)) csv_.cell(cell(name));
    csv_.end_line();
  }

  void add(MatrixView<const T> predictions) override {
    const Matrix<std::int32_t> labels =
        is_classification(loss_) ? labels_of(loss_, predictions) : Matrix<std::int32_t>(predictions.rows, 0);
    for (std::size_t r = 0; r < predictions.rows; ++r) {
      for (const T value : predictions.row(r)) csv_.cell(fmt::format("{}", value));
      for (const std::int32_t label : labels.row(r)) csv_.cell(text_of(label));
      csv_.end_line();
    }
  }
  void close() override { csv_.close(); }

 private:
  [[nodiscard]] std::string text_of(std::int32_t label) const {
    return named_ ? cell(class_name(static_cast<std::size_t>(label), class_names_)) : fmt::format("{}", label);
  }

  CsvWriter csv_;
  Loss loss_;
  std::vector<std::string> class_names_;
  bool named_;
};

}  // namespace

void require_prediction_format(const std::string& path) {
  if (!is_hdf5(path) && fs::path(path).extension() != ".csv")
    throw ConfigError(
        fmt::format("--output {}: predictions are written as .h5 or .csv; give it one of these endings", path));
}

template <class T>
void write_predictions(const std::string& path, Loss loss, std::size_t outputs,
                       const std::vector<std::string>& class_names, const PredictionSource<T>& source) {
  PendingFiles output;
  const std::string temporary = output.add(path);
  std::unique_ptr<Format<T>> format;
  if (is_hdf5(path))
    format = std::make_unique<Hdf5Format<T>>(temporary, loss, outputs, class_names);
  else
    format = std::make_unique<CsvFormat<T>>(temporary, loss, outputs, class_names);
  source([&](MatrixView<const T> predictions) { format->add(predictions); });
  format->close();
  output.publish();
}

template void write_predictions(const std::string&, Loss, std::size_t, const std::vector<std::string>&,
                                const PredictionSource<float>&);
template void write_predictions(const std::string&, Loss, std::size_t, const std::vector<std::string>&,
                                const PredictionSource<double>&);

}  // namespace gradloom
