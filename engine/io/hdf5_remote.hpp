#pragma once

#include <sys/stat.h>

#include <map>
#include <string>

#include "engine/io/hdf5_internal.hpp"
#include "engine/io/hdf5_process.hpp"

/// Files of strangers, open in a process of their own. Included by the hdf5*.cpp files alone.
namespace gradloom::h5 {

/// The reading side of File, forwarded to a ReaderProcess that has the file open. Elements come in blocks through
/// shared memory, the next while one is copied; those of a contiguous set that need no conversion are read from the
/// file here, without the library. Not for two threads at a time.
class RemoteFile {
 public:
  /// Takes `descriptor`, of the file at `path`. Throws what File::open throws.
  RemoteFile(std::string path, int descriptor, External external);
  RemoteFile(const RemoteFile&) = delete;
  RemoteFile& operator=(const RemoteFile&) = delete;
  ~RemoteFile();

  // As the members of File of the same name.
  [[nodiscard]] bool exists(const std::string& path);
  [[nodiscard]] bool is_group(const std::string& path);
  [[nodiscard]] std::vector<std::string> children(const std::string& group);
  [[nodiscard]] DatasetInfo info(const std::string& path);
  [[nodiscard]] std::string read_string(const std::string& path);
  [[nodiscard]] std::optional<std::uint64_t> uint_attribute(const std::string& path, const std::string& name);
  [[nodiscard]] std::optional<double> double_attribute(const std::string& path, const std::string& name);
  [[nodiscard]] std::optional<std::string> string_attribute(const std::string& path, const std::string& name);
  [[nodiscard]] std::optional<std::vector<std::string>> strings_attribute(const std::string& path,
                                                                          const std::string& name);
  /// As File::read_elements.
  void read(const std::string& path, const Part& part, NumberType type, std::byte* out);

 private:
  /// What the process does.
  void serve(Channel& channel, std::span<std::byte> shared) const;
  void require_same(const File& file) const;
  static Message answer(const File& file, Message& request);
  static void send_elements(const File& file, Message& request, Channel& channel, std::span<std::byte> shared);
  static void send_blocks(OpenFile& file, const std::string& path, const Part& part, NumberType type, Channel& channel,
                          std::span<std::byte> shared);
  void read_plain(const std::string& path, const PlainElements& elements, const Part& part, NumberType type,
                  std::byte* out);
  void read_bytes(const std::string& path, std::uint64_t place, std::span<std::byte> out) const;
  Message receive();
  Message ask(const Message& request);
  template <class Take>
  auto asked(const Message& request, const Take& take);

  std::string name_;
  int descriptor_;
  External external_;
  struct stat opened_ {};  // what the descriptor is of
  std::optional<ReaderProcess> process_;
  std::vector<std::byte> scratch_;
  struct PlainSet {
    PlainElements elements;
    DatasetInfo info;
  };
  std::map<std::string, PlainSet> plain_;  // sets that need the process no more
};

}  // namespace gradloom::h5
