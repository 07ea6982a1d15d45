#include "engine/io/hdf5_remote.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "engine/io/hdf5_convert.hpp"
#include "engine/io/hdf5_protocol.hpp"
#include "gradloom/errors.hpp"

namespace gradloom::h5 {
namespace {

DatasetInfo info_in(Message& message) {
  DatasetInfo info;
  info.shape = numbers(message);
  info.chunk = numbers(message);
  info.type_class = static_cast<TypeClass>(message.number());
  info.type_bytes = message.number();
  info.is_signed = message.number() != 0;
  info.big_endian = message.number() != 0;
  if (const std::uint64_t number = message.number(); number < kNumberTypes)
    info.number = static_cast<NumberType>(number);
  info.filters = texts(message);
  info.stored_bytes = message.number();
  return info;
}

Message attribute_request(Request request, const std::string& path, const std::string& name) {
  Message message = request_of(request, path);
  message.put(name);
  return message;
}

std::optional<PlainElements> plain_elements_in(Message& message) {
  if (message.number() == 0) return std::nullopt;
  PlainElements elements;
  elements.place = message.number();
  elements.type = message.number();
  return elements;
}

struct Conversion {
  hid_t stored;
  hid_t wanted;
  std::size_t from_bytes;  // of an element; 0 where there is no such type
  bool none;               // both types are the same
};

Conversion plain_conversion(const PlainElements& elements, NumberType type) {
  const LibraryTurn turn;
  if (elements.type >= plain_types().size()) return {};
  const hid_t stored = plain_types()[elements.type];
  const hid_t wanted = memory_type_of(type);
  return {stored, wanted, H5Tget_size(stored), H5Tequal(stored, wanted) > 0};
}

}  // namespace

RemoteFile::RemoteFile(std::string path, int descriptor, External external)
    : name_(std::move(path)), descriptor_(descriptor), external_(external) {
  try {
    if (::fstat(descriptor_, &opened_) != 0)
      throw FileError(fmt::format("{}: cannot be opened: {}", name_, std::strerror(errno)));
    process_.emplace(name_, [this](Channel& channel, std::span<std::byte> shared) { serve(channel, shared); });
    (void)receive();
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

RemoteFile::~RemoteFile() { ::close(descriptor_); }

Message RemoteFile::receive() {
  Message message = process_->receive();
  try {
    switch (static_cast<Answer>(message.number())) {
      case Answer::kDone:
        return message;
      case Answer::kConfigError:
        throw ConfigError(message.text());
      case Answer::kDataError:
        throw DataError(message.text());
      case Answer::kFileError:
        throw FileError(message.text());
    }
  } catch (const std::out_of_range&) {
  }
  process_->throw_damaged("it answers nonsense");
}

Message RemoteFile::ask(const Message& request) {
  process_->send(request);
  return receive();
}

// Takes the answer apart; what its process sends may be spoiled too.
template <class Take>
auto RemoteFile::asked(const Message& request, const Take& take) {
  Message answer = ask(request);
  try {
    return take(answer);
  } catch (const std::out_of_range&) {
    process_->throw_damaged("it answers nonsense");
  }
}

bool RemoteFile::exists(const std::string& path) {
  return asked(request_of(Request::kExists, path), [](Message& m) { return m.number() != 0; });
}

bool RemoteFile::is_group(const std::string& path) {
  return asked(request_of(Request::kIsGroup, path), [](Message& m) { return m.number() != 0; });
}

std::vector<std::string> RemoteFile::children(const std::string& group) {
  return asked(request_of(Request::kChildren, group), texts);
}

DatasetInfo RemoteFile::info(const std::string& path) { return asked(request_of(Request::kInfo, path), info_in); }

std::string RemoteFile::read_string(const std::string& path) {
  return asked(request_of(Request::kString, path), [](Message& m) { return m.text(); });
}

// An attribute that is absent is answered by a zero.
std::optional<std::uint64_t> RemoteFile::uint_attribute(const std::string& path, const std::string& name) {
  return asked(attribute_request(Request::kUint, path, name),
               [](Message& m) { return m.number() != 0 ? std::optional(m.number()) : std::nullopt; });
}

std::optional<double> RemoteFile::double_attribute(const std::string& path, const std::string& name) {
  return asked(attribute_request(Request::kDouble, path, name), [](Message& m) {
    return m.number() != 0 ? std::optional(std::bit_cast<double>(m.number())) : std::nullopt;
  });
}

std::optional<std::string> RemoteFile::string_attribute(const std::string& path, const std::string& name) {
  return asked(attribute_request(Request::kText, path, name),
               [](Message& m) { return m.number() != 0 ? std::optional(m.text()) : std::nullopt; });
}

std::optional<std::vector<std::string>> RemoteFile::strings_attribute(const std::string& path,
                                                                      const std::string& name) {
  return asked(attribute_request(Request::kTexts, path, name),
               [](Message& m) { return m.number() != 0 ? std::optional(texts(m)) : std::nullopt; });
}

void RemoteFile::read(const std::string& path, const Part& part, NumberType type, std::byte* out) {
  if (const auto known = plain_.find(path); known != plain_.end()) {
    const auto& [elements, info] = known->second;
    if (part.cols == (info.shape.size() == 1 ? 1 : info.shape[1])) {
      require_part(name_, path, info, part);
      return read_plain(path, elements, part, type, out);
    }
  }
  Message request = request_of(Request::kRead, path);
  for (const std::uint64_t value :
       {part.first, part.rows, part.col, part.cols, std::uint64_t{part.whole_rows}, static_cast<std::uint64_t>(type)})
    request.put(value);
  const auto plain = asked(request, plain_elements_in);
  if (plain) {
    plain_[path] = {*plain, info(path)};
    return read_plain(path, *plain, part, type, out);
  }
  std::size_t slot = 0;
  for_each_block(part, type, [&](const Part& block) {
    (void)receive();
    const std::size_t bytes = block.rows * block.cols * bytes_of(type);
    std::memcpy(out, process_->slot(slot).data(), bytes);
    process_->send(request_of(Request::kTaken, ""));
    out += bytes;
    slot = (slot + 1) % ReaderProcess::kSlots;
  });
}

// A piece at a time, so that it is converted while the processor's cache has it.
void RemoteFile::read_plain(const std::string& path, const PlainElements& elements, const Part& part, NumberType type,
                            std::byte* out) {
  constexpr std::size_t kPiece = 32 << 10;  // elements
  const auto [stored, wanted, from_bytes, as_wanted] = plain_conversion(elements, type);
  if (from_bytes == 0) process_->throw_damaged("it answers nonsense");
  const std::size_t to_bytes = bytes_of(type);
  const std::uint64_t count = part.rows * part.cols;
  const std::uint64_t begin = elements.place + part.first * part.cols * from_bytes;
  if (as_wanted) return read_bytes(path, begin, {out, count * to_bytes});
  scratch_.resize(kPiece * std::max(from_bytes, to_bytes));
  for (std::uint64_t done = 0; done < count; done += kPiece) {
    const std::size_t piece = std::min<std::uint64_t>(kPiece, count - done);
    std::byte* const from = scratch_.data();
    std::byte* const to = out + done * to_bytes;
    read_bytes(path, begin + done * from_bytes, {from, piece * from_bytes});
    if (is_converted(type)) {
      convert(static_cast<NumberType>(elements.type / 2), elements.type % 2 != 0, from, type, to, piece);
      continue;
    }
    const LibraryTurn turn;  // not while the disk is waited for
    if (H5Tconvert(stored, wanted, piece, from, nullptr, H5P_DEFAULT) < 0)
      throw_data_error(name_, path, "cannot be converted: " + last_error());
    std::memcpy(to, from, piece * to_bytes);
  }
}

void RemoteFile::read_bytes(const std::string& path, std::uint64_t place, std::span<std::byte> out) const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0 || place > static_cast<std::uint64_t>(status.st_size) ||
      out.size() > static_cast<std::uint64_t>(status.st_size) - place)
    throw_data_error(name_, path, "cannot be read: its elements lie behind the end of the file");
  for (std::size_t done = 0; done < out.size();) {
    const ssize_t count = ::pread(descriptor_, out.data() + done, out.size() - done, static_cast<off_t>(place + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_data_error(name_, path, fmt::format("cannot be read: {}", std::strerror(errno)));
    if (count == 0) throw_data_error(name_, path, "cannot be read: the file became shorter");
    done += static_cast<std::size_t>(count);
  }
}

}  // namespace gradloom::h5
