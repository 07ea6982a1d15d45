#include <array>

#include "engine/io/durable_file.hpp"
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
using Names = std::vector<std::string>;

Names names_of(const std::vector<TreeItem>& items) {
  Names names;
  for (const TreeItem& item : items)
    names.push_back(item.attribute.empty() ? item.path : item.path + "@" + item.attribute);
  return names;
}

void make_group(const RawHdf5& raw, const char* name) {
  H5Gclose(H5Gcreate2(raw.id(), name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
}

}  // namespace

TEST_CASE("A tree lists groups, data sets and attributes", "[hdf5]") {
  const std::array<float, 2> values{1.5F, -0.0F};
  const std::array<std::uint64_t, 2> shape{2, 1};
  File file = File::create_in_memory();
  file.write<float>("/a/b/set", shape, values.data());
  file.write_attribute("/a/b/set", "unit", std::string("m"));
  file.write_attribute("/a", "z", std::uint64_t{3});
  file.write_attribute("/a", "names", Names{"one", "two"});
  file.create_group("/a/empty");
  file.create_group("/ab");
  CHECK(names_of(file.tree("/a")) == Names{"/a", "/a@names", "/a@z", "/a/b", "/a/b/set", "/a/b/set@unit", "/a/empty"});

  const StoredValue set = file.stored_value({"/a/b/set", ""});
  CHECK(set.info.shape == std::vector<std::uint64_t>{2, 1});
  CHECK(set.info.type_name() == "float32");
  CHECK(set.bytes ==
        std::vector<std::byte>(std::as_bytes(std::span(values)).begin(), std::as_bytes(std::span(values)).end()));
  const StoredValue names = file.stored_value({"/a", "names"});
  CHECK(names.info.shape == std::vector<std::uint64_t>{2});
  CHECK(std::string(reinterpret_cast<const char*>(names.bytes.data()), names.bytes.size()) == "onetwo");
  CHECK(file.stored_value({"/a", "z"}).info.type_name() == "uint64");
}

TEST_CASE("A tree that holds what is not read is refused by name", "[hdf5]") {
  const TemporaryFolder folder;
  {
    const RawHdf5 raw(folder / "a.h5");
    make_group(raw, "circle");
    H5Lcreate_hard(raw.id(), "/circle", raw.id(), "/circle/again", H5P_DEFAULT, H5P_DEFAULT);
    make_group(raw, "soft");
    H5Lcreate_soft("/circle", raw.id(), "/soft/link", H5P_DEFAULT, H5P_DEFAULT);
    make_group(raw, "texts");
    const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, H5T_VARIABLE);
    const hid_t group = H5Gopen2(raw.id(), "/texts", H5P_DEFAULT);
    H5Aclose(H5Acreate2(group, "note", type, space, H5P_DEFAULT, H5P_DEFAULT));
    H5Gclose(group);
    H5Sclose(space);
    H5Tclose(type);
  }
  const File file = File::open_image(read_file(folder / "a.h5"), folder / "a.h5");
  CHECK_THAT(message_of<DataError>([&] { (void)file.tree("/circle"); }), has_text("within too many others"));
  CHECK_THAT(message_of<DataError>([&] { (void)file.tree("/soft"); }), has_text("/soft/link is a soft link"));
  CHECK(names_of(file.tree("/texts")) == Names{"/texts", "/texts@note"});
  CHECK_THAT(message_of<DataError>([&] {
               (void)file.stored_value({"/texts", "note"});
             }),
             has_text("/texts attribute note holds strings of variable length"));
  CHECK_THAT(message_of<DataError>([&] { (void)file.stored_value({"/texts", ""}); }), has_text("is not a data set"));
}

}  // namespace gradloom::h5
