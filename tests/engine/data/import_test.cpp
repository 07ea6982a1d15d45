#include "gradloom/import.hpp"

#include <filesystem>
#include <utility>

#include "gradloom/errors.hpp"
#include "tests/engine/data/import_fixture.hpp"

namespace gradloom {
namespace {

using testing::has_text;
using testing::Import;
using testing::message_of;
using testing::Shape;
using testing::Strings;
using testing::Values;

const std::string kHousing =
    "longitude,total_rooms,total_bedrooms,median_house_value,ocean_proximity\n"
    "-122.23,880.0,129.0,452600.0,NEAR BAY\n"
    "-122.22,7099.0,1106.0,358500.0,<1H OCEAN\n"
    "-122.24,1467.0,,352100.0,NEAR BAY\n"
    "-122.25,1274.0,235.0,341300.0,INLAND\n";

}  // namespace

TEST_CASE("a table with a text column and a missing cell becomes a data set") {
  Import import(kHousing);
  import.options.targets = {"median_house_value"};
  import.options.missing = MissingCells::kMean;
  import.run();
  CHECK(import.names() == Strings{"longitude", "total_rooms", "total_bedrooms", "ocean_proximity=<1H OCEAN",
                                  "ocean_proximity=INLAND", "ocean_proximity=NEAR BAY"});
  const double mean = (129.0 + 1106 + 235) / 3;
  CHECK(import.x() == Values{-122.23, 880,  129,  0, 0, 1,  //
                             -122.22, 7099, 1106, 1, 0, 0,  //
                             -122.24, 1467, mean, 0, 0, 1,  //
                             -122.25, 1274, 235,  0, 1, 0});
  CHECK(import.y() == Values{452600, 358500, 352100, 341300});
  CHECK(import.file().info("/y").shape == Shape{4, 1});
  CHECK(import.file().info("/x").type_name() == "float64");
  CHECK(import.report.filled_cells == 1);
  CHECK(import.report.features == 6);
  CHECK(import.report.outputs == 1);
  CHECK(import.folder().entries() == 2);

  import.options.missing = MissingCells::kDrop;
  import.run();
  CHECK(import.report.source_rows == 4);
  CHECK(import.report.dropped_rows == 1);
  CHECK(import.report.files.at(0).rows == 3);
  CHECK(import.y() == Values{452600, 358500, 341300});
}

TEST_CASE("a missing cell is an error with its place by default") {
  Import import(kHousing);
  CHECK_THAT(import.refusal<DataError>(),
             has_text("data.csv:4: column total_bedrooms (index 2): found '', a missing cell"));
}

TEST_CASE("targets are named or numbered, in any order; none is allowed") {
  Import import("a,b,c,d\n1,2,3,4\n5,6,7,8\n");
  import.options.targets = {"-1", "b"};
  import.run();
  CHECK(import.names() == Strings{"a", "c"});
  CHECK(import.y() == Values{4, 2, 8, 6});
  import.options.targets = {};
  import.run();
  CHECK_FALSE(import.file().exists("/y"));
  CHECK(import.x().size() == 8);
}

TEST_CASE("target options that do not fit are refused") {
  Import import("alpha,beta,gamma\n1,2,x\n5,6,y\n");
  const auto refusal = [&](Strings targets, bool classify = false) {
    import.options.targets = std::move(targets);
    import.options.classify = classify;
    return import.refusal<ConfigError>();
  };
  CHECK_THAT(refusal({"bete"}), has_text("did you mean beta?"));
  CHECK_THAT(refusal({"3"}), has_text("indices go from -3 to 2"));
  CHECK_THAT(refusal({"-4"}), has_text("indices go from -3 to 2"));
  CHECK_THAT(refusal({"alpha", "0"}), has_text("names column alpha (index 0) again"));
  CHECK_THAT(refusal({"gamma"}), has_text("say --classify"));
  CHECK_THAT(refusal({"alpha", "beta", "gamma"}), has_text("no features are left"));
  CHECK_THAT(refusal({"alpha", "beta"}, true), has_text("exactly one --target"));
  CHECK_THAT(refusal({}, true), has_text("exactly one --target"));
  import.options.categorical = {"beto"};
  CHECK_THAT(refusal({}), has_text("--categorical beto"));
  import.options.categorical = {"beta"};
  CHECK_THAT(refusal({"beta"}), has_text("--classify"));
}

TEST_CASE("headers are found out") {
  const auto names = [](const std::string& text, HeaderMode mode = HeaderMode::kDetect) {
    Import import(text);
    import.options.header = mode;
    import.options.missing = MissingCells::kMean;
    import.run();
    return import.names();
  };
  CHECK(names("1,2\n3,4\n") == Strings{"x0", "x1"});
  CHECK(names("a,b\n3,4\n") == Strings{"a", "b"});
  CHECK(names("id,1990\nx,4\ny,5\n") == Strings{"x0=id", "x0=x", "x0=y", "x1"});  // numbers above numbers: data
  CHECK(names("id,1990\nx,4\ny,5\n", HeaderMode::kPresent) == Strings{"id=x", "id=y", "1990"});
  CHECK(names("?,2\n3,4\n") == Strings{"x0", "x1"});  // a missing cell is no name
  CHECK(names("color,size\nred,big\nblue,big\n") == Strings{"color=blue", "color=red", "size=big"});
  CHECK(names("red,big\nblue,small\nred,big\n") == Strings{"x0=blue", "x0=red", "x1=big", "x1=small"});
  CHECK(names("a,b\nc,d\n", HeaderMode::kAbsent) == Strings{"x0=a", "x0=c", "x1=b", "x1=d"});
  CHECK(names(",b\n3,4\n") == Strings{"x0", "b"});
}

TEST_CASE("quotes, CRLF, byte order mark, semicolons and blank lines do not change a table") {
  Import import("\xEF\xBB\xBF\"first; name\";\"t\"\r\n\"1\";2\r\n\r\n 3 ; +4e0\r\n\r\n");
  import.options.targets = {"t"};
  import.run();
  CHECK(import.names() == Strings{"first; name"});
  CHECK(import.x() == Values{1, 3});
  CHECK(import.y() == Values{2, 4});
}

TEST_CASE("bad cells, ragged rows and empty tables are refused with their place") {
  const auto refusal = [](const std::string& text) {
    Import import(text);
    return import.refusal<DataError>();
  };
  CHECK_THAT(refusal("a,b\n1,2\n3,abc\n5,6\n"),
             has_text("data.csv:3: column b (index 1): found 'abc', which is not a number; correct it, or say "
                      "--categorical b"));
  CHECK_THAT(refusal("a,b\n1,2\n3,inf\n"),
             has_text("data.csv:3: column b (index 1): found 'inf', which is not a finite"));
  CHECK_THAT(refusal("a,b\n1,2\n\n3,4,5\n"), has_text("data.csv:4: has 3 cells where 2 are expected"));
  CHECK_THAT(refusal("a,b\n1,2\n3\n"), has_text("data.csv:3: has 1 cells where 2 are expected"));
  CHECK_THAT(refusal("\n\n"), has_text("data.csv: is empty"));
  CHECK_THAT(refusal("a,b\n"), has_text("holds no rows of data, only a header"));
  CHECK_THAT(refusal("a,a\n1,2\n"), has_text("data.csv:1: the header names 'a' twice"));
  CHECK_THAT(refusal("a,b\n1,2\n\"3,4\n"), has_text("data.csv:3: a double quote is opened and never closed"));
  Import import("a,b\n1,2\n3,\n");
  import.options.targets = {"b"};
  import.options.missing = MissingCells::kMean;
  CHECK_THAT(import.refusal<DataError>(),
             has_text("data.csv:3: column b (index 1): found '', a missing cell of a target"));
  Import none("a,b\n1,\n,2\n");
  none.options.missing = MissingCells::kDrop;
  CHECK_THAT(none.refusal<DataError>(), has_text("every one of its 2 rows has a missing cell"));
  Import no_mean("a,b\n1,\n2,\n");
  no_mean.options.missing = MissingCells::kMean;
  CHECK_THAT(no_mean.refusal<DataError>(), has_text("column b (index 1): has no number among the training rows"));
}

TEST_CASE("categories are sorted, missing ones stand for themselves, numbers can be categories") {
  Import import("size,code\nbig,10\n?,9\nsmall,1.0\nbig,1\n");
  import.options.categorical = {"code"};
  import.options.missing = MissingCells::kMean;
  import.run();
  CHECK(import.names() == Strings{"size=big", "size=missing", "size=small", "code=1", "code=9", "code=10"});
  CHECK(import.x() == Values{1, 0, 0, 0, 0, 1,  //
                             0, 1, 0, 0, 1, 0,  //
                             0, 0, 1, 1, 0, 0,  //
                             1, 0, 0, 1, 0, 0});
  CHECK(import.report.filled_cells == 0);
}

TEST_CASE("--classify makes class indices of texts and numbers") {
  Import import("x,kind\n1,cat\n2,ant\n3,cat\n");
  import.options.targets = {"kind"};
  import.options.classify = true;
  import.run();
  CHECK(import.y() == Values{1, 0, 1});
  CHECK(import.classes() == Strings{"ant", "cat"});
  CHECK(import.report.class_names == Strings{"ant", "cat"});
  CHECK(import.file().info("/y").type_name() == "int32");
  CHECK(import.file().info("/y").shape == Shape{3});

  Import numbers("10\t1\n9\t2\n-1\t3\n10.0\t4\n", "data.tsv");
  numbers.options.targets = {"0"};
  numbers.options.classify = true;
  numbers.run();
  CHECK(numbers.classes() == Strings{"-1", "9", "10"});
  CHECK(numbers.y() == Values{2, 1, 0, 2});
}

TEST_CASE("several sources form one table") {
  Import import("a,b\n1,2\n", "one.csv");
  import.add("a,b\n3,4\n5,6\n", "two.csv");
  import.options.targets = {"b"};
  import.run();
  CHECK(import.x() == Values{1, 3, 5});
  import.add("a,c\n7,8\n", "three.csv");
  std::filesystem::remove(import.options.output);
  CHECK_THAT(import.refusal<DataError>(), has_text("three.csv:1: the header differs from that of"));
}

TEST_CASE("sources of other kinds are refused") {
  Import hdf5("\x89HDF\r\n\x1a\n");
  CHECK_THAT(hdf5.refusal<ConfigError>(), has_text("is an HDF5 file already"));
  Import archive("PK\x03\x04");
  CHECK_THAT(archive.refusal<DataError>(), has_text("is no whole NPZ file"));
  Import scaled("1,2\n");
  scaled.options.scale = 0.5;
  CHECK_THAT(scaled.refusal<ConfigError>(), has_text("--scale is for IDX, NPY and NPZ (data.standardize scales"));
}

TEST_CASE("options that mean nothing to a format are refused") {
  const auto refusal = [](const std::string& text, const std::string& name, auto change) {
    Import import(text, name);
    change(import.options);
    return import.refusal<ConfigError>();
  };
  const auto table = [&](auto change) { return refusal("1,2\n", "data.csv", change); };
  CHECK_THAT(table([](auto& o) { o.features = 3; }), has_text("--features is for LIBSVM;"));
  CHECK_THAT(table([](auto& o) { o.zero_based = true; }), has_text("--zero-based is for LIBSVM;"));
  CHECK_THAT(table([](auto& o) { o.arrays = {"x"}; }), has_text("--array is for NPZ;"));
  const auto sparse = [&](auto change) { return refusal("1 1:2\n", "data.svm", change); };
  CHECK_THAT(sparse([](auto& o) { o.targets = {"0"}; }), has_text("--target is for CSV and TSV;"));
  CHECK_THAT(sparse([](auto& o) { o.categorical = {"0"}; }), has_text("--categorical is for CSV and TSV;"));
  CHECK_THAT(sparse([](auto& o) { o.header = HeaderMode::kAbsent; }), has_text("--header or --no-header is for CSV"));
  CHECK_THAT(sparse([](auto& o) { o.missing = MissingCells::kMean; }), has_text("--missing is for CSV and TSV;"));
  CHECK_THAT(sparse([](auto& o) { o.scale = 2; }), has_text("--scale is for IDX, NPY and NPZ"));
}

TEST_CASE("IDX images and labels become a data set") {
  const std::string images{"\0\0\x08\x03\0\0\0\x03\0\0\0\x01\0\0\0\x02\x01\x02\x03\x04\xFF\x06", 22};
  const std::string labels{"\0\0\x08\x01\0\0\0\x03\x02\x00\x02", 11};
  Import import(images, "images-idx3-ubyte");
  import.run();
  CHECK_FALSE(import.file().exists("/y"));
  CHECK(import.file().info("/x").type_name() == "uint8");
  import.add(labels, "labels-idx1-ubyte");
  import.options.scale = 0.00392156862745098;
  import.run();
  CHECK(import.file().info("/x").type_name() == "float32");
  CHECK(import.file().info("/x").shape == Shape{3, 2});
  CHECK(import.names() == Strings{"x0", "x1"});
  CHECK(import.x()[4] == 1);
  CHECK(import.x()[1] == static_cast<double>(static_cast<float>(2 * 0.00392156862745098)));
  CHECK(import.y() == Values{2, 0, 2});
  CHECK(import.classes() == Strings{"0", "1", "2"});
  CHECK(import.file().info("/y").shape == Shape{3});
}

TEST_CASE("IDX values that are no finite numbers are refused by row and column") {
  const std::string floats{"\0\0\x0D\x02\0\0\0\x02\0\0\0\x01\x3F\x80\0\0\x7F\xC0\0\0", 20};  // 1 and NaN
  Import nan(floats, "values.idx");
  CHECK_THAT(nan.refusal<DataError>(), has_text("row 1, column 0: found nan, which is not a finite number;"));
  Import large(floats, "values.idx");
  large.options.scale = 1e39;
  CHECK_THAT(large.refusal<DataError>(), has_text("row 0, column 0: found 1, which is not a finite number once it is"));
}

TEST_CASE("IDX files that do not fit each other are refused, and leave nothing") {
  const std::string images{"\0\0\x08\x02\0\0\0\x02\0\0\0\x01\x01\x02", 14};
  const std::string labels{"\0\0\x08\x01\0\0\0\x03\x02\x00\x02", 11};
  Import import(images, "images.idx");
  import.add(labels, "labels.idx");
  CHECK_THAT(import.refusal<DataError>(), has_text("holds 3 labels for the 2 rows of"));
  std::swap(import.options.sources[0], import.options.sources[1]);
  CHECK_THAT(import.refusal<DataError>(), has_text("the images come first"));
  Import tail(images + "x", "images.idx");
  CHECK_THAT(tail.refusal<DataError>(), has_text("goes on behind"));  // found only after all rows were written
  Import wrong("no idx", "images-idx3-ubyte");
  CHECK_THAT(wrong.refusal<DataError>(), has_text("is not an IDX file"));
  Import target(images, "images.idx");
  target.options.targets = {"0"};
  CHECK_THAT(target.refusal<ConfigError>(), has_text("--target is for CSV and TSV;"));
  Import missing(images, "images.idx");
  missing.options.missing = MissingCells::kDrop;
  CHECK_THAT(missing.refusal<ConfigError>(), has_text("--missing is for CSV and TSV;"));
}

TEST_CASE("California housing is imported cell by cell") {
  const std::string source = GRADLOOM_TESTS_DIR "/../../shared/data/california_housing.csv";
  if (!std::filesystem::exists(source)) {
    WARN("skipped: there is no " << source);
    return;
  }
  Import import;
  import.options.sources = {source};
  import.options.targets = {"median_house_value"};
  import.options.missing = MissingCells::kMean;
  import.run();
  CHECK(import.report.source_rows == 20640);
  CHECK(import.report.filled_cells == 207);
  CHECK(import.names().size() == 13);
  CHECK(import.names().at(9) == "ocean_proximity=INLAND");
  const Values x = import.x(), y = import.y();
  const Values first(x.begin(), x.begin() + 13);
  CHECK(first == Values{-122.23, 37.88, 41, 880, 129, 322, 126, 8.3252, 0, 0, 0, 1, 0});
  CHECK(y.front() == 452600);
  CHECK(x[290 * 13 + 4] == Approx(537.8705525375618).epsilon(1e-12));  // the column's mean as NumPy has it
}

TEST_CASE("the ten thousand digits are imported") {
  const std::string folder = GRADLOOM_TESTS_DIR "/../../shared/data/";
  if (!std::filesystem::exists(folder + "t10k-images-idx3-ubyte.gz")) {
    WARN("skipped: there are no digits in " << folder);
    return;
  }
  Import import;
  import.options.sources = {folder + "t10k-images-idx3-ubyte.gz", folder + "t10k-labels-idx1-ubyte.gz"};
  import.options.split = {0.8, 0.2};
  import.run();
  CHECK(import.file("out.train.h5").info("/x").shape == Shape{8000, 784});
  CHECK(import.file("out.test.h5").info("/x").shape == Shape{2000, 784});
  CHECK(import.report.class_names.size() == 10);
  import.options.split = {};
  import.run();
  const Values y = import.y();
  CHECK(Values(y.begin(), y.begin() + 5) == Values{7, 2, 1, 0, 4});
  const Values x = import.x();
  CHECK(x[7 * 28 + 6] == 84);  // the first stroke of the first seven
}

}  // namespace gradloom
