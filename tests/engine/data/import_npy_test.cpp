#include <algorithm>
#include <cstring>

#include "gradloom/errors.hpp"
#include "tests/engine/data/import_fixture.hpp"

namespace gradloom {
namespace {

using testing::has_text;
using testing::Import;
using testing::Shape;
using testing::Strings;
using testing::Values;

template <class T>
std::string npy(const std::string& type, const std::string& shape, const std::vector<T>& values) {
  const std::string text = "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }\n";
  std::string file = std::string("\x93NUMPY\x01\0", 8) + static_cast<char>(text.size()) + '\0' + text;
  const auto* raw = reinterpret_cast<const char*>(values.data());
  return file.append(raw, values.size() * sizeof(T));
}

const std::string kFeatureFile = npy<std::uint8_t>("|u1", "(3, 2)", {1, 2, 3, 4, 255, 6});

}  // namespace

TEST_CASE("NPY features and targets become a data set") {
  Import import(kFeatureFile, "x.npy");
  import.run();
  CHECK_FALSE(import.file().exists("/y"));
  CHECK(import.file().info("/x").type_name() == "uint8");
  import.add(npy<float>("<f4", "(3, 2)", {0.5, 1, 1.5, 2, 2.5, 3}), "y.npy");
  import.run();
  CHECK(import.x() == Values{1, 2, 3, 4, 255, 6});
  CHECK(import.names() == Strings{"x0", "x1"});
  CHECK(import.y() == Values{0.5, 1, 1.5, 2, 2.5, 3});
  CHECK(import.file().info("/y").type_name() == "float64");
  CHECK(import.file().strings_attribute("/y", "names") == Strings{"y0", "y1"});
  CHECK(import.report.features == 2);
  CHECK(import.report.outputs == 2);
  CHECK(import.report.source_rows == 3);
}

TEST_CASE("scaled NPY features become floats") {
  Import bytes(kFeatureFile, "x.npy");
  bytes.options.scale = 0.1;
  bytes.run();
  CHECK(bytes.file().info("/x").type_name() == "float32");
  CHECK(bytes.x()[4] == static_cast<double>(static_cast<float>(255 * 0.1)));
  Import wide(npy<std::int64_t>("<i8", "(2,)", {-3, std::int64_t{1} << 40}), "x.npy");
  wide.options.scale = 0.5;
  wide.run();
  CHECK(wide.file().info("/x").type_name() == "float64");
  CHECK(wide.x() == Values{-1.5, 549755813888.0});
}

TEST_CASE("NPY labels become class indices where that is asked for") {
  Import import(kFeatureFile, "x.npy");
  import.add(npy<std::int64_t>("<i8", "(3,)", {2, 0, 2}), "y.npy");
  import.run();
  CHECK(import.y() == Values{2, 0, 2});
  CHECK(import.classes().empty());
  import.options.classify = true;
  import.run();
  CHECK(import.y() == Values{2, 0, 2});
  CHECK(import.classes() == Strings{"0", "1", "2"});
  CHECK(import.file().info("/y").shape == Shape{3});
  CHECK(import.file().info("/y").type_name() == "int32");
}

TEST_CASE("NPY labels that are no class indices are refused") {
  const auto refusal = [](const std::string& labels) {
    Import import(kFeatureFile, "x.npy");
    import.add(labels, "y.npy");
    import.options.classify = true;
    return import.refusal<DataError>();
  };
  CHECK_THAT(refusal(npy<std::int32_t>("<i4", "(3,)", {0, -1, 1})), has_text("row 1: label -1 must be a whole number"));
  CHECK_THAT(refusal(npy<std::int32_t>("<i4", "(3,)", {0, 1, 10000})), has_text("row 2: label 10000 must be"));
  CHECK_THAT(refusal(npy<double>("<f8", "(3,)", {0, 1, 0.5})), has_text("row 2: label 0.5 must be"));
  CHECK_THAT(refusal(npy<std::uint8_t>("|u1", "(3, 2)", {0, 1, 0, 1, 0, 1})), has_text("labels are one a row"));
}

TEST_CASE("NPY values that training cannot take are refused by row and column") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Import features(npy<double>("<f8", "(2, 2)", {1, 2, nan, 4}), "x.npy");
  CHECK_THAT(features.refusal<DataError>(), has_text("row 1, column 0: found nan, which is not a finite number;"));
  Import large(npy<float>("<f4", "(1, 2)", {1, 2}), "x.npy");
  large.options.scale = 2e38;
  CHECK_THAT(large.refusal<DataError>(), has_text("row 0, column 1: found 2, which is not a finite number once it is"));
  Import targets(kFeatureFile, "x.npy");
  targets.add(npy<double>("<f8", "(3,)", {1, nan, 2}), "y.npy");
  CHECK_THAT(targets.refusal<DataError>(), has_text("y.npy: row 1, column 0: found nan"));
  Import wide(kFeatureFile, "x.npy");
  wide.add(npy<std::int64_t>("<i8", "(3,)", {1, 2, (std::int64_t{1} << 53) + 1}), "y.npy");
  CHECK_THAT(wide.refusal<DataError>(), has_text("row 2, column 0: found about 9007199254740992; targets are stored"));
}

TEST_CASE("NPY files that do not fit each other or the options are refused, and leave nothing") {
  const std::string targets = npy<std::uint8_t>("|u1", "(2,)", {0, 1});
  Import import(kFeatureFile, "x.npy");
  import.add(targets, "y.npy");
  CHECK_THAT(import.refusal<DataError>(), has_text("holds targets of 2 rows for the 3 rows of"));
  import.add(targets, "z.npy");
  CHECK_THAT(import.refusal<ConfigError>(), has_text("one NPY array of features and at most one of targets, not 3"));
  Import tail(kFeatureFile + "x", "x.npy");
  CHECK_THAT(tail.refusal<DataError>(), has_text("goes on behind"));
  Import empty(npy<std::uint8_t>("|u1", "(0, 2)", {}), "x.npy");
  CHECK_THAT(empty.refusal<DataError>(), has_text("holds no rows"));
  Import cube(kFeatureFile, "x.npy");
  cube.add(npy<std::uint8_t>("|u1", "(3, 1, 1)", {1, 2, 3}), "y.npy");
  CHECK_THAT(cube.refusal<DataError>(), has_text("targets are (rows) or (rows, outputs)"));
  Import wrong("1,2\n", "x.npy");
  CHECK_THAT(wrong.refusal<DataError>(), has_text("is not an NPY file"));
  Import mixed(kFeatureFile, "x.npy");
  mixed.add("1\n2\n3\n", "y.csv");
  CHECK_THAT(mixed.refusal<ConfigError>(), has_text("y.csv is CSV or TSV; sources are of one format"));
  Import target(kFeatureFile, "x.npy");
  target.options.targets = {"0"};
  CHECK_THAT(target.refusal<ConfigError>(), has_text("--target is for CSV and TSV;"));
  Import alone(kFeatureFile, "x.npy");
  alone.options.classify = true;
  CHECK_THAT(alone.refusal<ConfigError>(), has_text("needs a second NPY array"));
}

}  // namespace gradloom
