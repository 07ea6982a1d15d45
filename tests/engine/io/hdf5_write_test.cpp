#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <span>
#include <thread>

#include "engine/io/hdf5.hpp"
#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/raw_hdf5.hpp"
#include "support/temporary_folder.hpp"
#include "support/throws.hpp"

namespace gradloom::h5 {
namespace {

using testing::has_text;
using testing::message_of;
using testing::RawHdf5;
using testing::TemporaryFolder;

constexpr std::array<std::uint64_t, 2> kShape{2, 3};
constexpr std::array<double, 6> kValues{1.5, -2, 3, 0.1, 1e300, 6};

std::vector<std::byte> sample_image() {
  File file = File::create_in_memory();
  file.write<double>("/model/layer_000/weight", kShape, kValues.data());
  file.write_attribute("/model/layer_000", "activation", std::string("relu"));
  file.create_group("/progress");
  file.write_attribute("/progress", "step", std::uint64_t{1} << 63);
  file.write_attribute("/progress", "best", 0.25);
  file.write_attribute("/progress", "offset", std::int64_t{-1});
  file.write_string("/config", "a = 1\n# Grüße\n");
  file.write_string("/empty", "");
  return file.image();
}

TEST_CASE("A file in memory comes back from its image", "[hdf5]") {
  const std::vector<std::byte> image = sample_image();
  const File file = File::open_image(image, "ck.h5");
  CHECK(file.name() == "ck.h5");
  std::array<double, 6> values{};
  file.read_rows<double>("model/layer_000/weight", 0, {values.data(), 2, 3});
  CHECK(values == kValues);
  CHECK(file.string_attribute("model/layer_000", "activation") == "relu");
  CHECK(file.uint_attribute("progress", "step") == std::uint64_t{1} << 63);
  CHECK(file.double_attribute("progress", "best") == 0.25);
  CHECK(file.double_attribute("progress", "offset") == -1.0);
  CHECK(file.read_string("config") == "a = 1\n# Grüße\n");
  CHECK(file.read_string("empty").empty());
  CHECK(file.children("/") == std::vector<std::string>{"config", "empty", "model", "progress"});
  CHECK(file.is_group("model/layer_000"));
  CHECK_FALSE(file.is_group("config"));
  CHECK_FALSE(file.exists("model/layer_001/weight"));
  CHECK_FALSE(file.exists("config/below"));
}

TEST_CASE("Equal content gives equal bytes", "[hdf5]") {
  const std::vector<std::byte> first = sample_image();
  const std::vector<std::byte> other = sample_image();
  CHECK(first == other);
}

TEST_CASE("Elements that are reserved are put to their place in the file's memory", "[hdf5]") {
  File file = File::create_in_memory();
  file.write_string("/before", "text");
  const std::array<std::uint64_t, 2> large{1000, 1000};  // 8 MB: the memory has to grow for it
  const std::array<std::uint64_t, 1> small{3};
  const std::uint64_t large_place = file.reserve<double>("/a/large", large);
  const std::uint64_t small_place = file.reserve<float>("/a/small", small);
  std::vector<double> values(1'000'000);
  std::iota(values.begin(), values.end(), 0.5);
  const std::array<float, 3> few{1, -2, 3};
  std::memcpy(file.memory().data() + large_place, values.data(), values.size() * sizeof(double));
  std::memcpy(file.memory().data() + small_place, few.data(), sizeof few);
  file.write_attribute("/a", "behind", std::uint64_t{7});
  const std::span<const std::byte> memory = file.memory();
  CHECK(memory.size() < 8'000'000 + 20'000);
  CHECK(std::ranges::equal(memory, file.image()));

  const File copy = File::open_image(file.image(512), "copy", 512);
  std::vector<double> read(values.size());
  copy.read_rows<double>("a/large", 0, {read.data(), 1000, 1000});
  CHECK(read == values);
  std::array<float, 3> read_few{};
  copy.read_rows<float>("a/small", 0, {read_few.data(), 3, 1});
  CHECK(read_few == few);
  CHECK(copy.read_string("before") == "text");
  CHECK(copy.uint_attribute("a", "behind") == 7U);
}

TEST_CASE("Several images are open at once", "[hdf5]") {
  const std::vector<std::byte> image = sample_image();
  File other = File::create_in_memory();
  other.write_string("/config", "other");
  const File a = File::open_image(image, "same name");
  const File b = File::open_image(other.image(), "same name");
  CHECK(a.read_string("config") != b.read_string("config"));
}

TEST_CASE("Images that are cut or damaged are DataErrors", "[hdf5]") {
  std::vector<std::byte> image = sample_image();
  const auto open = [&] {
    const File file = File::open_image(image, "ck.h5");
    (void)file.info("model/layer_000/weight");
  };
  image.resize(image.size() / 2);
  CHECK_THAT(message_of<DataError>(open), has_text("ck.h5: "));
  image.assign(1000, std::byte{0});
  CHECK_THAT(message_of<DataError>(open), has_text("ck.h5: "));
  image.clear();
  CHECK_THAT(message_of<DataError>(open), has_text("ck.h5: "));
}

TEST_CASE("Rows are appended in pieces of any size, out of strided memory", "[hdf5]") {
  const TemporaryFolder folder;
  const int deflate = GENERATE(0, 4);
  std::vector<float> block(50 * 5);
  std::iota(block.begin(), block.end(), 0.0F);
  {
    File file = File::create(folder / "a.h5");
    file.create_rows<float>("x", {.cols = 3, .chunk_rows = 16, .deflate = deflate});
    file.create_rows<std::int64_t>("y", {.cols = 0, .chunk_rows = 0, .deflate = deflate});
    std::size_t row = 0;
    for (const std::size_t rows : {1, 0, 30, 19}) {
      file.append_rows<float>("x", {block.data() + row * 5, rows, 3, 5});
      const std::vector<std::int64_t> labels(rows, static_cast<std::int64_t>(row));
      file.append_rows<std::int64_t>("/y", {labels.data(), rows, 1});
      row += rows;
    }
    file.close();
  }
  const File file = File::open(folder / "a.h5");
  CHECK(file.info("x").shape == std::vector<std::uint64_t>{50, 3});
  CHECK(file.info("y").shape == std::vector<std::uint64_t>{50});
  std::vector<float> x(150);
  file.read_rows<float>("x", 0, {x.data(), 50, 3});
  for (std::size_t r = 0; r < 50; ++r)
    for (std::size_t c = 0; c < 3; ++c) REQUIRE(x[r * 3 + c] == block[r * 5 + c]);
  std::array<std::int64_t, 3> y{};
  file.read_rows<std::int64_t>("y", 30, {y.data(), 3, 1});
  CHECK(y == std::array<std::int64_t, 3>{1, 31, 31});
}

TEST_CASE("A set without rows is written and described", "[hdf5]") {
  const TemporaryFolder folder;
  File file = File::create(folder / "a.h5");
  file.create_rows<float>("x", {.cols = 3});
  file.close();
  CHECK(File::open(folder / "a.h5").info("x").shape == std::vector<std::uint64_t>{0, 3});
}

TEST_CASE("Rows of another width, and rows of a set that does not grow, are refused", "[hdf5]") {
  const TemporaryFolder folder;
  File file = File::create(folder / "a.h5");
  file.create_rows<double>("x", {.cols = 2});
  CHECK_THROWS_AS(file.append_rows<double>("x", {kValues.data(), 2, 3}), FileError);
  CHECK_THROWS_AS(file.append_rows<double>("y", {kValues.data(), 2, 3}), FileError);
}

TEST_CASE("Columns may have many names", "[hdf5]") {
  const TemporaryFolder folder;
  std::vector<std::string> names(20000, "column of some length");  // 420 kB: over the old limit of 64 KiB
  names[7] = "Größe";
  names[8] = "";
  {
    File file = File::create(folder / "a.h5");
    file.create_rows<float>("x", {.cols = names.size()});
    file.write_attribute("x", "names", names);
    file.write_attribute("x", "none", std::vector<std::string>{});
    file.close();
  }
  const File file = File::open(folder / "a.h5");
  CHECK(file.strings_attribute("x", "names") == names);
  CHECK(file.strings_attribute("x", "none") == std::vector<std::string>{});
  CHECK(file.strings_attribute("x", "absent") == std::nullopt);
}

TEST_CASE("Attributes are replaced, and refused where they are of another kind", "[hdf5]") {
  File file = File::create_in_memory();
  file.write_attribute("/", "n", std::uint64_t{1});
  file.write_attribute("/", "n", std::uint64_t{2});
  file.write_attribute("/", "negative", std::int64_t{-2});
  file.write_attribute("/", "real", 2.0);
  file.write_attribute("/", "text", std::string("t"));
  file.write_attribute("/", "texts", std::vector<std::string>{"a", "bc"});
  CHECK(file.uint_attribute("/", "n") == 2U);
  CHECK(file.uint_attribute("/", "absent") == std::nullopt);
  CHECK_THAT(message_of<DataError>([&] { (void)file.uint_attribute("/", "negative"); }), has_text("is negative"));
  CHECK_THAT(message_of<DataError>([&] { (void)file.uint_attribute("/", "real"); }), has_text("not a whole number"));
  CHECK_THAT(message_of<DataError>([&] { (void)file.double_attribute("/", "text"); }), has_text("is not a number"));
  CHECK_THAT(message_of<DataError>([&] { (void)file.string_attribute("/", "n"); }), has_text("strings"));
  CHECK_THAT(message_of<DataError>([&] { (void)file.string_attribute("/", "texts"); }), has_text("single string"));
  CHECK_THAT(message_of<DataError>([&] { (void)file.uint_attribute("/none", "n"); }), has_text("there is no /none"));
}

TEST_CASE("Names of variable length, as h5py writes str, count as absent", "[hdf5]") {
  const TemporaryFolder folder;
  {
    const RawHdf5 raw(folder / "a.h5");
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    const hsize_t count = 2;
    const hid_t space = H5Screate_simple(1, &count, nullptr);
    const hid_t attribute = H5Acreate2(raw.id(), "names", type, space, H5P_DEFAULT, H5P_DEFAULT);
    const std::array<const char*, 2> names{"a", "b"};
    H5Awrite(attribute, type, names.data());
    H5Aclose(attribute);
  }
  CHECK(File::open(folder / "a.h5").strings_attribute("/", "names") == std::nullopt);
}

TEST_CASE("A file that cannot be created is a FileError with the system's reason", "[hdf5]") {
  const TemporaryFolder folder;
  CHECK_THAT(message_of<FileError>([&] { File::create(folder / "none/a.h5"); }),
             has_text("a.h5: cannot be created: No such file or directory"));
  CHECK_THROWS_AS(File::create(folder.path()), FileError);
}

// In a process of its own, whose files cannot grow over 1 MiB.
template <class Body>
int status_with_small_files(Body body) {
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{1 << 20, 1 << 20};
    setrlimit(RLIMIT_FSIZE, &small);
    std::exit(body());  // exit handlers run: the library must not hang or print in its own
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_CASE("A full disk is a FileError, while rows are written or at the latest when the file is closed", "[hdf5]") {
  const TemporaryFolder folder;
  const std::size_t rows = GENERATE(10, 400000);  // the first few stay in the cache until close()
  const int status = status_with_small_files([&] {
    const std::string message = message_of<FileError>([&] {
      const std::vector<double> block(rows);
      File file = File::create(folder / "a.h5");
      file.create_rows<double>("x", {.cols = 1});
      for (int i = 0; i < 5; ++i) file.append_rows<double>("x", {block.data(), rows, 1});
      file.create_rows<double>("z", {.cols = 1});
      file.append_rows<double>("z", {block.data(), rows, 1});
      file.close();
    });
    return message.find("cannot be written: File too large") != std::string::npos ? 0 : 1;
  });
  CHECK(status == 0);
}

// Sanitizers make each process that reads a file a matter of a tenth of a second and more.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kOpenings = 8;
#else
constexpr std::size_t kOpenings = 200;
#endif

TEST_CASE("A file that is replaced while it is opened is the one or the other", "[hdf5][threads]") {
  const TemporaryFolder folder;
  for (const std::uint64_t rows : {10, 1000}) {  // their elements begin at different places
    const std::vector<double> values(rows, static_cast<double>(rows));
    File file = File::create(folder / std::to_string(rows));
    if (rows == 1000) file.write("before", std::array{rows}, values.data());
    file.write("x", std::array{rows}, values.data());
    file.close();
  }
  std::filesystem::create_hard_link(folder / "10", folder / "a.h5");
  std::atomic<bool> done{false};
  std::thread replacer([&] {
    for (bool large = true; !done; large = !large) {
      std::filesystem::create_hard_link(folder / (large ? "1000" : "10"), folder / "next");
      std::filesystem::rename(folder / "next", folder / "a.h5");
    }
  });
  std::size_t mixed = 0;
  for (std::size_t i = 0; i < kOpenings; ++i) try {
      const File file = File::open(folder / "a.h5");
      std::vector<double> values(file.info("x").shape[0]);
      file.read_rows<double>("x", 0, {values.data(), values.size(), 1});
      const auto expected = static_cast<double>(values.size());
      mixed += std::count(values.begin(), values.end(), expected) == std::ssize(values) ? 0 : 1;
    } catch (const FileError& error) {
      if (!std::string_view(error.what()).ends_with("was replaced by another file while it was opened; run it again"))
        ++mixed;
    }
  done = true;
  replacer.join();
  CHECK(mixed == 0);
}

TEST_CASE("Files are opened while another thread writes one in memory", "[hdf5][threads]") {
  const TemporaryFolder folder;
  const std::vector<std::uint64_t> shape{1000};
  const std::vector<double> values(1000, 0.5);
  {
    File file = File::create(folder / "a.h5");
    file.write("x", shape, values.data());
    file.close();
  }
  std::atomic<bool> opened{false};
  std::thread writer([&] {
    while (!opened) {
      File file = File::create_in_memory();
      file.write("x", shape, values.data());
      file.write_attribute("x", "a", 1.0);
      const File copy = File::open_image(file.image(), "copy");
      (void)copy.info("x");
    }
  });
  std::size_t rows = 0;
  for (std::size_t i = 0; i < kOpenings; ++i) rows += File::open(folder / "a.h5").info("x").shape[0];
  opened = true;
  writer.join();
  CHECK(rows == kOpenings * 1000);
}

}  // namespace
}  // namespace gradloom::h5
