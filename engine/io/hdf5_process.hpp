#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

/// A process of its own for work that a damaged file may make crash, spin or eat memory.
namespace gradloom::h5 {

/// Numbers and texts one behind the other, as the two processes send them.
class Message {
 public:
  Message() = default;
  explicit Message(std::string bytes) : bytes_(std::move(bytes)) {}

  void put(std::uint64_t value) { bytes_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void put(std::string_view text) {
    put(text.size());
    bytes_.append(text);
  }
  /// In the order in which they were put. Throw std::out_of_range behind the end.
  std::uint64_t number();
  std::string text();

  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
  std::size_t read_ = 0;
};

/// One end of a pair of connected sockets.
class Channel {
 public:
  explicit Channel(int descriptor) : descriptor_(descriptor) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel() { close(); }

  /// False where nobody is at the other end.
  bool send(const Message& message);
  /// Nothing where nobody is at the other end. Throws std::out_of_range where what comes is no message.
  std::optional<Message> receive();
  void close();

 private:
  int descriptor_;
};

/// The child's own limits. What it spends while no work is begun does not count.
class Limits {
 public:
  static constexpr std::uint64_t kMemoryBytes = 512 << 20;  ///< beside what allow() adds
  static constexpr double kSeconds = 2;                     ///< of processor time, over all requests

  /// Sets them for this process, on top of the memory that it has already. Large files get more time: their indices of
  /// chunks are long.
  explicit Limits(std::uint64_t file_bytes);
  void start_work();  ///< processor time counts
  void end_work();
  /// More room and time, for work on `bytes` bytes of elements in `chunks` chunks.
  void allow(std::uint64_t bytes, std::uint64_t chunks);
  /// From now on this process opens no file.
  static void open_no_more();

 private:
  std::uint64_t memory_before_;
  std::uint64_t allowed_ = 0;
  double seconds_;
  double seconds_left_;
  double started_ = 0;
  bool working_ = false;
};

/// A child that answers messages until its parent closes the channel. It shares the parent's memory as it was when it
/// was forked, writes nothing, ignores the signals that ask a run to stop, and ends without the parent's exit handlers.
class ReaderProcess {
 public:
  static constexpr std::size_t kSlotBytes = 1 << 20;
  static constexpr std::size_t kSlots = 2;

  /// What the child does; `shared` is memory that both see, kSlots * kSlotBytes. May throw: the child then ends.
  using Serve = std::function<void(Channel&, std::span<std::byte> shared)>;

  /// `name` is the file, for messages. FileError where the system gives no process.
  ReaderProcess(const std::string& name, const Serve& serve);
  ReaderProcess(const ReaderProcess&) = delete;
  ReaderProcess& operator=(const ReaderProcess&) = delete;
  ~ReaderProcess();

  /// DataError, which says how the child ended, where it ended; then and ever after.
  void send(const Message& message);
  Message receive();
  [[nodiscard]] std::span<const std::byte> slot(std::size_t index) const;

  /// Ends it for an answer that makes no sense. DataError.
  [[noreturn]] void throw_damaged(std::string_view how);

 private:
  ReaderProcess(const std::string& name, const Serve& serve, const std::array<int, 2>& sockets);
  [[noreturn]] void throw_failure() const;
  void end();

  std::string name_;
  Channel channel_;
  std::unique_ptr<std::byte, void (*)(std::byte*)> shared_;
  pid_t child_ = -1;
  std::string failure_;  // how it ended, as the message behind the file's name
};

}  // namespace gradloom::h5
