#include <fmt/format.h>

#include <array>
#include <filesystem>

#include "engine/core/rounding.hpp"
#include "engine/io/hdf5_internal.hpp"

/// Virtual data sets: the library gives fill values, and says nothing, where a source is not there or too short.
namespace gradloom::h5 {
namespace {

// A name that the library keeps: `get` fills a buffer, and tells how long it is.
template <class Get>
std::string library_text(const Get& get) {
  const ssize_t size = get(nullptr, 0);
  std::string text(size < 0 ? 0 : static_cast<std::size_t>(size), '\0');
  if (size > 0) get(text.data(), text.size() + 1);
  return text;
}

// A part of a virtual data set, and what it is taken from.
class Source {
 public:
  Source(const OpenFile& file, const std::string& path, hid_t creation, std::size_t index)
      : virtual_file_(file),
        path_(path),
        file_name_(
            library_text([&](char* out, std::size_t n) { return H5Pget_virtual_filename(creation, index, out, n); })),
        set_name_(
            library_text([&](char* out, std::size_t n) { return H5Pget_virtual_dsetname(creation, index, out, n); })),
        taken_(H5Pget_virtual_srcspace(creation, index), H5Sclose),
        filled_(H5Pget_virtual_vspace(creation, index), H5Sclose) {}

  /// Elements that it gives, all of which are there.
  [[nodiscard]] std::uint64_t require_there() const {
    const hssize_t filled = H5Sget_select_npoints(filled_.id());
    if (filled < 0 || file_name_.find('%') != std::string::npos) refuse("in a way that is not read");
    const Handle file = open_file();
    const Handle set(H5Dopen2(file.valid() ? file.id() : virtual_file_.id(), set_name_.c_str(), H5P_DEFAULT), H5Dclose);
    if (!set.valid()) refuse("which has no " + set_name_);
    const Handle creation(H5Dget_create_plist(set.id()), H5Pclose);
    if (H5Pget_layout(creation.id()) == H5D_VIRTUAL) refuse("where " + set_name_ + " is virtual itself");
    require_taken_from(describe(virtual_file_, path_, set.id()).shape, static_cast<std::uint64_t>(filled));
    return static_cast<std::uint64_t>(filled);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw_data_error(virtual_file_.name, path_, fmt::format("is a virtual data set over {}, {}", file_name_, what));
  }

  // No handle: the file of the virtual set itself.
  [[nodiscard]] Handle open_file() const {
    if (file_name_ == ".") return {};
    const std::filesystem::path beside = std::filesystem::path(virtual_file_.name).parent_path() / file_name_;
    for (const std::filesystem::path& path : {beside, std::filesystem::path(file_name_)})
      if (Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose); file.valid()) return file;
    refuse("which cannot be opened");
  }

  void require_taken_from(const std::vector<std::uint64_t>& shape, std::uint64_t filled) const {
    std::uint64_t there = 1;
    for (const std::uint64_t n : shape) there = times(there, n);
    bool enough = there == filled;  // where all is taken, and no selection is stored
    if (H5Sget_select_type(taken_.id()) != H5S_SEL_ALL) {
      std::array<hsize_t, H5S_MAX_RANK> first{}, last{};
      enough = H5Sget_select_bounds(taken_.id(), first.data(), last.data()) >= 0;
      for (std::size_t d = 0; d < shape.size(); ++d) enough = enough && last[d] < shape[d];
    }
    if (!enough) refuse("whose " + set_name_ + " has another shape than what is taken of it");
  }

  const OpenFile& virtual_file_;
  const std::string& path_;
  std::string file_name_, set_name_;
  Handle taken_, filled_;  // elements of the source, and of the virtual set
};

}  // namespace

void require_virtual_sources(const OpenFile& file, const std::string& path, hid_t creation, const DatasetInfo& info) {
  std::size_t sources = 0;
  std::uint64_t there = 0, wanted = 1;
  if (H5Pget_virtual_count(creation, &sources) < 0)
    throw_data_error(file.name, path, "has no readable sources: " + last_error());
  for (std::size_t i = 0; i < sources; ++i) there += Source(file, path, creation, i).require_there();
  for (const std::uint64_t n : info.shape) wanted = times(wanted, n);
  if (there < wanted)
    throw_data_error(file.name, path,
                     fmt::format("is a virtual data set with sources for {} of its {} elements", there, wanted));
}

}  // namespace gradloom::h5
