#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "engine/io/hdf5.hpp"
#include "gradloom/import.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"
#include "support/throws.hpp"

namespace gradloom::testing {

using Strings = std::vector<std::string>;
using Values = std::vector<double>;
using Shape = std::vector<std::uint64_t>;

inline Values values_of(const h5::File& file, const std::string& path) {
  const Shape shape = file.info(path).shape;
  const std::size_t rows = shape[0], cols = shape.size() == 2 ? shape[1] : 1;
  Values values(rows * cols);
  file.read_rows<double>(path, 0, {values.data(), rows, cols});
  return values;
}

/// Sources and outputs of one test in a folder of their own.
class Import {
 public:
  ImportOptions options;
  ImportReport report;

  explicit Import(const std::string& text = "", const std::string& name = "data.csv") {
    options.output = folder_ / "out.h5";
    if (!text.empty()) add(text, name);
  }
  void add(const std::string& text, const std::string& name) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    options.sources.push_back(folder_ / name);
  }
  void run() { report = import_data(options); }
  [[nodiscard]] h5::File file(const std::string& name = "out.h5") const { return h5::File::open(folder_ / name); }
  [[nodiscard]] Values x(const std::string& name = "out.h5") const { return values_of(file(name), "/x"); }
  [[nodiscard]] Values y(const std::string& name = "out.h5") const { return values_of(file(name), "/y"); }
  [[nodiscard]] Strings names() const { return file().strings_attribute("/x", "names").value_or(Strings{}); }
  [[nodiscard]] Strings classes() const { return file().strings_attribute("/y", "classes").value_or(Strings{}); }

  /// The refusal's message; nothing but the sources may be left.
  template <class E>
  std::string refusal() {
    const std::string message = message_of<E>([&] { run(); });
    CHECK(folder_.entries() == options.sources.size());
    CHECK(message.find('\n') == std::string::npos);
    return message;
  }
  [[nodiscard]] const TemporaryFolder& folder() const { return folder_; }

 private:
  TemporaryFolder folder_;
};

}  // namespace gradloom::testing
