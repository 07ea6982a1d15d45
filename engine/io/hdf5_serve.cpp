#include <fmt/format.h>

#include <bit>
#include <new>

#include "engine/io/hdf5_protocol.hpp"
#include "engine/io/hdf5_remote.hpp"
#include "gradloom/errors.hpp"

/// The other end of a RemoteFile: runs in the process that has the file open, one request at a time.
namespace gradloom::h5 {
namespace {

void put_info(Message& message, const DatasetInfo& info) {
  put_each(message, info.shape);
  put_each(message, info.chunk);
  message.put(static_cast<std::uint64_t>(info.type_class));
  message.put(info.type_bytes);
  message.put(std::uint64_t{info.is_signed});
  message.put(std::uint64_t{info.big_endian});
  message.put(info.number ? static_cast<std::uint64_t>(*info.number) : kNumberTypes);
  put_each(message, info.filters);
  message.put(info.stored_bytes);
}

Message done() {
  Message message;
  message.put(static_cast<std::uint64_t>(Answer::kDone));
  return message;
}

Message failed(Answer kind, std::string_view what) {
  Message message;
  message.put(static_cast<std::uint64_t>(kind));
  message.put(what);
  return message;
}

Answer kind_of(const Error& error) {
  switch (error.code()) {
    case ExitCode::kConfig:
      return Answer::kConfigError;
    case ExitCode::kFile:
      return Answer::kFileError;
    default:
      return Answer::kDataError;
  }
}

// The message that `work` makes, or of what it throws.
template <class Work>
Message guarded(const std::string& path, const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    return failed(kind_of(error), error.what());
  } catch (const std::bad_alloc&) {
    return failed(Answer::kDataError, path + ": is damaged: it needs more memory than what it holds can need");
  } catch (const std::exception& error) {
    return failed(Answer::kDataError, fmt::format("{}: is damaged: {}", path, error.what()));
  }
}

}  // namespace

// Places that this process tells are read from the parent's descriptor.
void RemoteFile::require_same(const File& file) const {
  void* descriptor = nullptr;
  struct stat status {};
  if (H5Fget_vfd_handle(file.impl_->id(), H5P_DEFAULT, &descriptor) < 0 ||
      ::fstat(*static_cast<const int*>(descriptor), &status) != 0)
    throw FileError(fmt::format("{}: cannot be opened: {}", name_, last_error()));
  if (status.st_dev != opened_.st_dev || status.st_ino != opened_.st_ino)
    throw FileError(name_ + ": was replaced by another file while it was opened; run it again");
}

void RemoteFile::serve(Channel& channel, std::span<std::byte> shared) const {
  const std::string& path = name_;
  Limits limits(static_cast<std::uint64_t>(opened_.st_size));
  std::optional<File> file;
  bool may_go_on = false;
  limits.start_work();
  const Message opened = guarded(path, [&] {
    file = File::open_in_process(path, external_);
    require_same(*file);
    may_go_on = true;
    return done();
  });
  limits.end_work();
  if (!channel.send(opened) || !may_go_on) return;
  if (external_ == External::kRefuse) Limits::open_no_more();
  file->impl_->allow = [&](std::uint64_t bytes, std::uint64_t chunks) { limits.allow(bytes, chunks); };
  while (std::optional<Message> request = channel.receive()) {
    limits.start_work();
    const auto kind = static_cast<Request>(Message(*request).number());
    if (kind == Request::kRead)
      send_elements(*file, *request, channel, shared);
    else if (kind != Request::kTaken)  // one of blocks that were not waited for
      channel.send(guarded(path, [&] { return answer(*file, *request); }));
    limits.end_work();
  }
}

Message RemoteFile::answer(const File& file, Message& request) {
  const auto kind = static_cast<Request>(request.number());
  const std::string path = request.text();
  Message message = done();
  const auto put_attribute = [&](const auto& value, const auto& put) {
    message.put(std::uint64_t{value.has_value()});
    if (value) put(*value);
  };
  switch (kind) {
    case Request::kExists:
      message.put(std::uint64_t{file.exists(path)});
      break;
    case Request::kIsGroup:
      message.put(std::uint64_t{file.is_group(path)});
      break;
    case Request::kChildren:
      put_each(message, file.children(path));
      break;
    case Request::kInfo:
      put_info(message, file.info(path));
      break;
    case Request::kString:
      message.put(file.read_string(path));
      break;
    case Request::kUint:
      put_attribute(file.uint_attribute(path, request.text()), [&](std::uint64_t value) { message.put(value); });
      break;
    case Request::kDouble:
      put_attribute(file.double_attribute(path, request.text()),
                    [&](double value) { message.put(std::bit_cast<std::uint64_t>(value)); });
      break;
    case Request::kText:
      put_attribute(file.string_attribute(path, request.text()), [&](const std::string& value) { message.put(value); });
      break;
    case Request::kTexts:
      put_attribute(file.strings_attribute(path, request.text()),
                    [&](const std::vector<std::string>& values) { put_each(message, values); });
      break;
    case Request::kRead:
    case Request::kTaken:
      break;
  }
  return message;
}

// Answers with the place of plain elements in the file, or with 0 and then the blocks.
void RemoteFile::send_elements(const File& file, Message& request, Channel& channel, std::span<std::byte> shared) {
  OpenFile& open = *file.impl_;
  (void)request.number();
  const std::string path = request.text();
  Part part;
  part.first = request.number();
  part.rows = request.number();
  part.col = request.number();
  part.cols = request.number();
  part.whole_rows = request.number() != 0;
  const auto type = static_cast<NumberType>(request.number());
  bool in_blocks = false;
  channel.send(guarded(open.name, [&] {
    const ReadSet& set = read_set(open, path);
    require_part(open.name, path, set.info, part);
    const std::optional<PlainElements> plain = plain_elements(set, part);
    Message message = done();
    message.put(std::uint64_t{plain.has_value()});
    if (plain) message.put(plain->place);
    if (plain) message.put(plain->type);
    in_blocks = !plain;
    return message;
  }));
  if (in_blocks) send_blocks(open, path, part, type, channel, shared);
}

// Each behind an answer of its own, the last one behind an error where one cannot be read.
void RemoteFile::send_blocks(OpenFile& file, const std::string& path, const Part& part, NumberType type,
                             Channel& channel, std::span<std::byte> shared) {
  std::size_t count = 0;
  bool going_on = true;
  for_each_block(part, type, [&](const Part& block) {
    // A slot is free at first, and again when its block was taken.
    if (going_on && count >= ReaderProcess::kSlots) going_on = channel.receive().has_value();
    if (!going_on) return;
    std::byte* slot = shared.data() + count++ % ReaderProcess::kSlots * ReaderProcess::kSlotBytes;
    going_on = false;
    const Message message = guarded(file.name, [&] {
      file.allow(block.rows * block.cols * bytes_of(type), 0);
      read_part(file, path, read_set(file, path), block, type, slot);
      going_on = true;
      return done();
    });
    going_on = channel.send(message) && going_on;
  });
}

}  // namespace gradloom::h5
