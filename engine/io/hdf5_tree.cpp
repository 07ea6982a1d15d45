#include <fmt/format.h>

#include <algorithm>

#include "engine/io/hdf5_internal.hpp"

/// Whole groups, whatever they hold.
namespace gradloom::h5 {
namespace {

constexpr std::size_t kDeepest = 16;                 // groups within groups; a checkpoint has 4
constexpr std::size_t kLargestAttribute = 64 << 20;  // bytes

herr_t keep_name(hid_t /*object*/, const char* name, const H5A_info_t* /*info*/, void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

std::vector<std::string> attribute_names(const OpenFile& file, const std::string& path) {
  const Handle object = open_object(file, path);
  std::vector<std::string> names;
  if (H5Aiterate2(object.id(), H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, keep_name, &names) < 0)
    throw_data_error(file.name, path, "has attributes that cannot be listed: " + last_error());
  std::sort(names.begin(), names.end());
  return names;
}

StoredValue stored_set(const OpenFile& file, const std::string& path) {
  const Handle object = open_object(file, path);
  if (H5Iget_type(object.id()) != H5I_DATASET) throw_data_error(file.name, path, "is not a data set");
  StoredValue value{describe(file, path, object.id()), {}};
  std::size_t bytes = value.info.type_bytes;
  for (const std::uint64_t n : value.info.shape) bytes *= n;  // describe() has held the product to the file's size
  value.bytes.resize(bytes);
  const Handle type(H5Dget_type(object.id()), H5Tclose);
  if (bytes > 0 && H5Dread(object.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, value.bytes.data()) < 0)
    throw_data_error(file.name, path, "cannot be read: " + last_error());
  return value;
}

StoredValue stored_attribute(const OpenFile& file, const TreeItem& item) {
  const auto refuse = [&](std::string_view what) {
    throw_data_error(file.name, item.path, fmt::format("attribute {} {}", item.attribute, what));
  };
  const Handle object = open_object(file, item.path);
  const Handle attribute(H5Aopen(object.id(), item.attribute.c_str(), H5P_DEFAULT), H5Aclose);
  if (!attribute.valid()) refuse("cannot be opened: " + last_error());
  const Handle type(H5Aget_type(attribute.id()), H5Tclose);
  const Handle space(H5Aget_space(attribute.id()), H5Sclose);
  StoredValue value;
  if (const std::string_view objection = describe_type(type.id(), value.info); !objection.empty()) refuse(objection);
  const auto shape = shape_of(space.id());
  const hssize_t count = H5Sget_simple_extent_npoints(space.id());
  if (!shape || count < 0) refuse("has no readable shape");
  if (value.info.type_bytes == 0 || static_cast<std::size_t>(count) > kLargestAttribute / value.info.type_bytes)
    refuse("is too large");
  value.info.shape = *shape;
  value.bytes.resize(static_cast<std::size_t>(count) * value.info.type_bytes);
  if (count > 0 && H5Aread(attribute.id(), type.id(), value.bytes.data()) < 0)
    refuse("cannot be read: " + last_error());
  return value;
}

}  // namespace

std::vector<TreeItem> File::tree(const std::string& group) const {
  const LibraryTurn turn;
  const std::string path = absolute(group);
  if (static_cast<std::size_t>(std::count(path.begin(), path.end(), '/')) > kDeepest)
    throw_data_error(impl_->name, path, "is a group within too many others");
  std::vector<TreeItem> items = {{path, ""}};
  for (const std::string& name : attribute_names(*impl_, path)) items.push_back({path, name});
  if (!is_group(path)) return items;
  for (const std::string& name : children(path)) {
    const std::vector<TreeItem> below = tree(path + "/" + name);
    items.insert(items.end(), below.begin(), below.end());
  }
  return items;
}

StoredValue File::stored_value(const TreeItem& item) const {
  const LibraryTurn turn;
  return item.attribute.empty() ? stored_set(*impl_, item.path) : stored_attribute(*impl_, item);
}

}  // namespace gradloom::h5
