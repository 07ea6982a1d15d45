#include <fmt/format.h>

#include <algorithm>
#include <new>

#include "engine/io/hdf5_internal.hpp"
#include "engine/io/hdf5_remote.hpp"
#include "gradloom/errors.hpp"

namespace gradloom::h5 {
namespace {

constexpr std::size_t kMostChildren = 1 << 20;  // of a group

enum class Link { kAbsent, kHard, kSoft, kExternal };

Link link_kind(hid_t file, const std::string& path) {
  if (H5Lexists(file, path.c_str(), H5P_DEFAULT) <= 0) return Link::kAbsent;
  H5L_info_t info;
  if (H5Lget_info(file, path.c_str(), &info, H5P_DEFAULT) < 0) return Link::kAbsent;
  if (info.type == H5L_TYPE_HARD) return Link::kHard;
  return info.type == H5L_TYPE_SOFT ? Link::kSoft : Link::kExternal;
}

// "/a", "/a/b", "/a/b/c" for "a/b/c": every link on the way is looked at, the nearest to the root first.
std::vector<std::string> prefixes(const std::string& path) {
  std::vector<std::string> found;
  std::string prefix;
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) found.push_back(prefix += "/" + path.substr(begin, end - begin));
    begin = end + 1;
  }
  return found;
}

// The first link on the way that is not to be followed, and its path; kHard where there is none.
std::pair<Link, std::string> first_obstacle(const OpenFile& file, const std::string& path) {
  for (const std::string& prefix : prefixes(path)) {
    const Link kind = link_kind(file.id(), prefix);
    if (kind != Link::kHard && !(kind == Link::kExternal && file.external == External::kFollow)) return {kind, prefix};
  }
  return {Link::kHard, absolute(path)};
}

// For H5Literate: ends the walk behind one name too many, and where memory ends.
herr_t note_name(hid_t, const char* name, const H5L_info_t*, void* out) {
  auto& names = *static_cast<std::vector<std::string>*>(out);
  try {
    names.emplace_back(name);
  } catch (const std::bad_alloc&) {
    return -1;
  }
  return names.size() > kMostChildren ? 1 : 0;
}

}  // namespace

Handle open_object(const OpenFile& file, const std::string& path) {
  const auto [kind, where] = first_obstacle(file, path);
  switch (kind) {
    case Link::kAbsent:
      throw DataError(fmt::format("{}: there is no {}", file.name, where));
    case Link::kSoft:
      throw_data_error(file.name, where, "is a soft link, which is not followed; store the data set itself");
    case Link::kExternal:
      throw_data_error(file.name, where,
                       "is a link to another file, which is not followed; store the data set itself, or set "
                       "data.allow-external = true");
    case Link::kHard:
      break;
  }
  Handle object(H5Oopen(file.id(), absolute(path).c_str(), H5P_DEFAULT), H5Oclose);
  if (!object.valid()) throw_data_error(file.name, path, "cannot be opened: " + last_error());
  return object;
}

bool File::exists(const std::string& path) const {
  if (impl_->remote) return impl_->remote->exists(path);
  const LibraryTurn turn;
  return first_obstacle(*impl_, path).first == Link::kHard;
}

bool File::is_group(const std::string& path) const {
  if (impl_->remote) return impl_->remote->is_group(path);
  const LibraryTurn turn;
  return exists(path) && H5Iget_type(open_object(*impl_, path).id()) == H5I_GROUP;
}

std::vector<std::string> File::children(const std::string& group) const {
  if (impl_->remote) return impl_->remote->children(group);
  const LibraryTurn turn;
  const Handle object = open_object(*impl_, group);
  if (H5Iget_type(object.id()) != H5I_GROUP) throw_data_error(impl_->name, group, "is not a group");
  std::vector<std::string> names;
  if (H5Literate(object.id(), H5_INDEX_NAME, H5_ITER_INC, nullptr, note_name, &names) < 0)
    throw_data_error(impl_->name, group, "cannot be listed: " + last_error());
  if (names.size() > kMostChildren)
    throw_data_error(impl_->name, group, fmt::format("holds more than {} objects", kMostChildren));
  return names;
}

void create_parents(const OpenFile& file, const std::string& path) {
  const std::vector<std::string> all = prefixes(path);
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {
    if (link_kind(file.id(), all[i]) != Link::kAbsent) continue;
    const Handle creation = creation_properties(H5P_GROUP_CREATE);
    const Handle group(H5Gcreate2(file.id(), all[i].c_str(), H5P_DEFAULT, creation.id(), H5P_DEFAULT), H5Gclose);
    if (!group.valid()) throw_file_error(file.name, all[i], "cannot be created: " + last_error());
  }
}

void File::create_group(const std::string& path) {
  const LibraryTurn turn;
  create_parents(*impl_, path + "/.");
}

}  // namespace gradloom::h5
