#include "apps/gradloom/child_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string_view>

#include "gradloom/errors.hpp"

namespace {

constexpr int kCannotStart = 127;  // as a shell says it

bool is_ignored(int signal) {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

/// Between fork and exec: nothing here may allocate.
[[noreturn]] void become(char* const* words, int output, int messages, pid_t parent, const HeldSignals& signals) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(kCannotStart);  // it died before the line above
  ::dup2(output, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(messages, STDERR_FILENO);
  signals.restore();
  ::execv("/proc/self/exe", words);
  constexpr std::string_view kMessage = "gradloom: error: cannot start itself by /proc/self/exe\n";
  (void)!::write(STDERR_FILENO, kMessage.data(), kMessage.size());
  ::_exit(kCannotStart);
}

int opened(const std::string& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
  if (descriptor < 0) throw gradloom::FileError(fmt::format("{}: cannot be opened: {}", path, std::strerror(errno)));
  return descriptor;
}

}  // namespace

HeldSignals::HeldSignals() {
  std::signal(SIGCHLD, SIG_DFL);  // while it is ignored, which exec hands on, no child is left to collect
  ::sigemptyset(&held_);
  ::sigaddset(&held_, SIGCHLD);
  for (const int signal : {SIGINT, SIGTERM})
    if (!is_ignored(signal)) ::sigaddset(&held_, signal);
  ::pthread_sigmask(SIG_BLOCK, &held_, &before_);
}

HeldSignals::~HeldSignals() { restore(); }

void HeldSignals::restore() const { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

void HeldSignals::wait(std::chrono::nanoseconds longest) const {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const std::int64_t left = std::max<std::int64_t>(longest.count(), 0);
  const timespec time{left / kSecond, left % kSecond};
  const int signal = ::sigtimedwait(&held_, nullptr, &time);  // -1: the time is over, or another signal woke us
  if (signal == SIGINT || signal == SIGTERM) throw Interrupted{signal};
}

ChildProcess::ChildProcess(const std::vector<std::string>& words, const std::string& messages,
                           const HeldSignals& signals)
    : signals_(signals) {
  std::vector<std::string> all = {"gradloom"};
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> pointers(all.size() + 1, nullptr);  // exec wants a null at the end
  std::transform(all.begin(), all.end(), pointers.begin(), [](std::string& word) { return word.data(); });

  const int nowhere = opened("/dev/null", O_RDWR);
  const int errors = opened(messages, O_WRONLY | O_CREAT | O_TRUNC);
  const pid_t parent = ::getpid();
  id_ = ::fork();
  if (id_ == 0) become(pointers.data(), nowhere, errors, parent, signals);
  const int reason = errno;
  ::close(nowhere);
  ::close(errors);
  if (id_ < 0) throw gradloom::Error(fmt::format("cannot start a process: {}", std::strerror(reason)));
}

ChildProcess::~ChildProcess() {
  if (id_ < 0) return;
  ::kill(id_, SIGKILL);
  while (::waitpid(id_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::optional<ChildEnd> ChildProcess::collect(bool wait) {
  int status = 0;
  pid_t found = 0;
  do found = ::waitpid(id_, &status, wait ? 0 : WNOHANG);
  while (found < 0 && errno == EINTR);
  if (found == 0) return std::nullopt;
  id_ = -1;
  if (found < 0)
    throw std::logic_error(fmt::format("a child process was not left to collect: {}", std::strerror(errno)));
  return WIFSIGNALED(status) ? ChildEnd{0, WTERMSIG(status)} : ChildEnd{WEXITSTATUS(status), 0};
}

std::optional<ChildEnd> ChildProcess::wait_until(Clock::time_point deadline) {
  while (true) {
    if (const auto end = collect(false)) return end;
    const auto left = deadline - Clock::now();
    if (left <= Clock::duration::zero()) return std::nullopt;
    signals_.wait(left);
  }
}

ChildEnd ChildProcess::kill() {
  ::kill(id_, SIGKILL);
  return collect(true).value();
}
