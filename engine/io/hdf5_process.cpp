#include "engine/io/hdf5_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fstream>
#include <new>
#include <stdexcept>
#include <vector>

#include "engine/io/hdf5_turn.hpp"
#include "gradloom/errors.hpp"

namespace gradloom::h5 {
namespace {

constexpr std::uint64_t kLongestMessage = 256 << 20;
constexpr int kChildSocket = 3;
#if defined(__SANITIZE_ADDRESS__)
constexpr double kSlowdown = 5;  // by AddressSanitizer, with room for what else runs beside the tests
#else
constexpr double kSlowdown = 1;
#endif
constexpr double kBytesPerSecond = (16 << 20) / kSlowdown;  // a slow machine inflates and converts as many
// To find a chunk and take it from the library: mostly a few microseconds.
constexpr double kSecondsPerChunk = 50e-6 * kSlowdown;
constexpr double kIndexedPerSecond = 256 << 20;  // bytes of chunks whose index it walks through, were they small

std::array<int, 2> socket_pair(const std::string& name) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    throw FileError(fmt::format("{}: no process can be started to read it: {}", name, std::strerror(errno)));
  return ends;
}

// Calls `transfer(done)` until `size` bytes are through; false at an end or error.
template <class Transfer>
bool transfer_all(std::size_t size, const Transfer& transfer) {
  for (std::size_t done = 0; done < size;) {
    const ssize_t count = transfer(done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<std::size_t>(count);
  }
  return true;
}

std::uint64_t address_space_in_use() {
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void set_limit(decltype(RLIMIT_AS) resource, rlim_t soft) {
  rlimit limit{};
  ::getrlimit(resource, &limit);
  limit.rlim_cur = std::min(soft, limit.rlim_max);
  ::setrlimit(resource, &limit);
}

double processor_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

itimerval timer_of(double seconds) {
  itimerval timer{};
  timer.it_value.tv_sec = static_cast<time_t>(seconds);
  timer.it_value.tv_usec = static_cast<suseconds_t>((seconds - std::floor(seconds)) * 1e6);
  return timer;
}

// Signals of a crash end the child whatever handlers the parent has; those that ask the run to stop are the parent's to
// answer, which then closes the channel.
void take_signals() {
  for (const int deadly : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGPROF, SIGXCPU, SIGXFSZ})
    ::signal(deadly, SIG_DFL);
  for (const int ignored : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM})
    ::signal(ignored, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

// Keeps the socket alone, as kChildSocket: a file or pipe of the parent must not stay open because the child has it
// too.
void keep_only(int socket) {
  // First: the parent may have as many open as it is allowed to.
  if (socket > kChildSocket) ::close_range(kChildSocket, static_cast<unsigned>(socket - 1), 0);
  const int kept = ::fcntl(socket, F_DUPFD, kChildSocket + 1);
  const int nothing = ::open("/dev/null", O_RDWR);
  for (int standard = 0; standard < kChildSocket; ++standard) ::dup2(nothing, standard);
  ::dup2(kept, kChildSocket);
  if (::close_range(kChildSocket + 1, ~0U, 0) == 0) return;
  for (int other = kChildSocket + 1; other < static_cast<int>(::sysconf(_SC_OPEN_MAX)); ++other) ::close(other);
}

// A crash of the child is an answer, not something to keep on disk.
void dump_nothing() {
  ::prctl(PR_SET_DUMPABLE, 0);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::setrlimit(RLIMIT_FSIZE, &none);
}

// Buffers of chunks come and go: pages that are given back are zeroed anew each time.
void keep_memory() {
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most that the C library allows
  ::mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

pid_t wait_for(pid_t child, int* status, int options) {
  pid_t found = 0;
  do found = ::waitpid(child, status, options);
  while (found < 0 && errno == EINTR);
  return found;
}

std::string damaged(std::string_view how) { return fmt::format("is damaged: the HDF5 library fails on it ({})", how); }

// Waits for it. Only what the library does by itself proves a damage.
std::string how_it_ended(pid_t child) {
  int status = 0;
  if (wait_for(child, &status, 0) != child) return damaged("it crashes");  // was waited for elsewhere
  if (!WIFSIGNALED(status)) return damaged("it gives up");
  const int signal = WTERMSIG(status);
  if (signal == SIGPROF)
    return "cannot be read: the HDF5 library takes more processor time than its size explains; it may be damaged";
  if (signal == SIGKILL) return "cannot be read: the process that reads it was killed; the system may be out of memory";
  return damaged(fmt::format("signal {}, {}", signal, ::strsignal(signal)));
}

constexpr std::size_t kSharedBytes = ReaderProcess::kSlots * ReaderProcess::kSlotBytes;

std::byte* shared_memory() {
  void* memory = ::mmap(nullptr, kSharedBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<std::byte*>(memory);
}

void unmap(std::byte* memory) { ::munmap(memory, kSharedBytes); }

#if defined(__SANITIZE_ADDRESS__)
// Takes so many blocks of every size that those which the thread keeps at hand do not suffice.
void allocate_every_size() {
  constexpr std::size_t kLargest = 256 << 10, kAtHand = 64 << 10;
  for (std::size_t size = 16; size <= kLargest; size += size < 256 ? 16 : std::bit_floor(size) / 4) {
    std::vector<std::unique_ptr<std::byte[]>> blocks(2 * std::clamp<std::size_t>(kAtHand / size, 1, 256) + 1);
    for (auto& block : blocks) block = std::make_unique_for_overwrite<std::byte[]>(size);
  }
}

// Unlike the C library, AddressSanitizer does not hold its allocator's locks while a process forks: a child that was
// born while another thread held one waits for it for ever. Such a child is replaced.
pid_t fork_child(const std::array<int, 2>& sockets) {
  constexpr int kTries = 20, kMilliseconds = 3000;
  for (int tried = 1;; ++tried) {
    const pid_t child = ::fork();
    char ready = 0;
    if (child == 0) {
      allocate_every_size();
      (void)::send(sockets[1], &ready, 1, MSG_NOSIGNAL);
    }
    if (child <= 0) return child;
    pollfd answer{sockets[0], POLLIN, 0};
    if (::poll(&answer, 1, kMilliseconds) != 0 || tried == kTries) {
      (void)::recv(sockets[0], &ready, 1, 0);
      return child;
    }
    int status = 0;
    ::kill(child, SIGKILL);
    (void)wait_for(child, &status, 0);
  }
}
#else
pid_t fork_child(const std::array<int, 2>& /*sockets*/) { return ::fork(); }
#endif

[[noreturn]] void be_child(int socket, const ReaderProcess::Serve& serve, std::span<std::byte> shared) {
  take_signals();
  keep_only(socket);
  dump_nothing();
  keep_memory();
  Channel channel(kChildSocket);
  try {
    serve(channel, shared);
  } catch (const std::exception&) {
    ::_exit(1);  // the parent tells of it
  }
  ::_exit(0);
}

}  // namespace

std::uint64_t Message::number() {
  std::uint64_t value = 0;
  if (bytes_.size() - read_ < sizeof value) throw std::out_of_range("message");
  std::memcpy(&value, bytes_.data() + read_, sizeof value);
  read_ += sizeof value;
  return value;
}

std::string Message::text() {
  const std::uint64_t size = number();
  if (bytes_.size() - read_ < size) throw std::out_of_range("message");
  std::string text = bytes_.substr(read_, size);
  read_ += size;
  return text;
}

bool Channel::send(const Message& message) {
  Message framed;
  framed.put(message.bytes());
  const std::string& bytes = framed.bytes();
  return transfer_all(bytes.size(), [&](std::size_t done) {
    return ::send(descriptor_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
  });
}

std::optional<Message> Channel::receive() {
  const auto fill = [&](void* to, std::size_t size) {
    return transfer_all(size, [&](std::size_t done) {
      return ::recv(descriptor_, static_cast<std::byte*>(to) + done, size - done, 0);
    });
  };
  std::uint64_t size = 0;
  if (!fill(&size, sizeof size)) return std::nullopt;
  if (size > kLongestMessage) throw std::out_of_range("message");
  std::string bytes(size, '\0');
  if (!fill(bytes.data(), size)) return std::nullopt;
  return Message(std::move(bytes));
}

void Channel::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

Limits::Limits(std::uint64_t file_bytes)
    : memory_before_(address_space_in_use()),
      seconds_(kSeconds + static_cast<double>(file_bytes) / kIndexedPerSecond),
      seconds_left_(seconds_) {
  set_limit(RLIMIT_AS, memory_before_ + kMemoryBytes);
}

void Limits::start_work() {
  if (seconds_left_ <= 0) ::raise(SIGPROF);
  const itimerval timer = timer_of(std::max(seconds_left_, 1e-3));
  ::setitimer(ITIMER_PROF, &timer, nullptr);
  started_ = processor_seconds();
  working_ = true;
}

// By the clock: the timer counts in ticks, and most requests are shorter than one.
void Limits::end_work() {
  const itimerval none{};
  ::setitimer(ITIMER_PROF, &none, nullptr);
  seconds_left_ -= processor_seconds() - started_;
  working_ = false;
}

void Limits::allow(std::uint64_t bytes, std::uint64_t chunks) {
  // The stored chunk, the inflated one, the unshuffled one, and what it is converted to.
  constexpr std::uint64_t kCopies = 4;
  allowed_ = std::max(allowed_, bytes);
  set_limit(RLIMIT_AS, memory_before_ + kMemoryBytes + kCopies * std::min(allowed_, RLIM_INFINITY / 16));
  const bool was_working = working_;
  if (was_working) end_work();
  seconds_left_ = std::min(seconds_left_, seconds_) + static_cast<double>(bytes) / kBytesPerSecond +
                  static_cast<double>(chunks) * kSecondsPerChunk;
  if (was_working) start_work();
}

void Limits::open_no_more() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_NOFILE, &none);
}

ReaderProcess::ReaderProcess(const std::string& name, const Serve& serve)
    : ReaderProcess(name, serve, socket_pair(name)) {}

ReaderProcess::ReaderProcess(const std::string& name, const Serve& serve, const std::array<int, 2>& sockets)
    : name_(name), channel_(sockets[0]), shared_(shared_memory(), unmap) {
  int reason = ENOMEM;
  if (shared_) {
    const LibraryTurn turn;
    child_ = fork_child(sockets);
    if (child_ == 0) be_child(sockets[1], serve, {shared_.get(), kSharedBytes});
    reason = errno;
  }
  ::close(sockets[1]);
  if (child_ < 0)
    throw FileError(fmt::format("{}: no process can be started to read it: {}", name, std::strerror(reason)));
}

ReaderProcess::~ReaderProcess() { end(); }

// The child has nothing to lose, and whatever it is at work on is not waited for.
void ReaderProcess::end() {
  channel_.close();
  if (child_ < 0) return;
  const pid_t child = std::exchange(child_, -1);
  int status = 0;
  if (wait_for(child, &status, WNOHANG) != 0) return;  // has ended; or was waited for by somebody else
  ::kill(child, SIGKILL);
  (void)wait_for(child, &status, 0);
}

void ReaderProcess::send(const Message& message) {
  if (!failure_.empty()) throw_failure();
  (void)channel_.send(message);  // receive() tells
}

Message ReaderProcess::receive() {
  if (!failure_.empty()) throw_failure();
  try {
    if (std::optional<Message> message = channel_.receive()) return std::move(*message);
  } catch (const std::out_of_range&) {
    throw_damaged("it answers nonsense");
  }
  failure_ = how_it_ended(std::exchange(child_, -1));
  channel_.close();
  throw_failure();
}

std::span<const std::byte> ReaderProcess::slot(std::size_t index) const {
  return {shared_.get() + index * kSlotBytes, kSlotBytes};
}

void ReaderProcess::throw_damaged(std::string_view how) {
  failure_ = damaged(how);
  end();
  throw_failure();
}

void ReaderProcess::throw_failure() const { throw DataError(fmt::format("{}: {}", name_, failure_)); }

}  // namespace gradloom::h5
