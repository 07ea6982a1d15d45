#include "apps/gradloom/work_bar.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace {

constexpr auto kBetweenDrawings = std::chrono::milliseconds(100);

std::size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string time_text(double seconds) {
  if (!std::isfinite(seconds) || seconds >= 360'000) return "?";
  const long whole = std::lround(seconds);
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m {:02}s", whole / 60, whole % 60);
  return fmt::format("{}h {:02}m", whole / 3600, whole / 60 % 60);
}

}  // namespace

WorkBar::WorkBar() : on_terminal_(::isatty(STDERR_FILENO) == 1) {}

WorkBar::~WorkBar() {
  if (shown_) std::fputs("\r\x1b[K", stderr);
}

void WorkBar::show(const std::string& phase, std::uint64_t done, std::uint64_t total) {
  if (!on_terminal_) return;
  const Clock::time_point now = Clock::now();
  if (phase != phase_) {
    phase_ = phase;
    began_ = drawn_.value_or(now);
  } else if (drawn_ && now - *drawn_ < kBetweenDrawings && done < total) {
    return;
  }
  drawn_ = now;
  shown_ = true;
  const double share = total == 0 ? 0 : static_cast<double>(done) / static_cast<double>(total);
  const double seconds = std::chrono::duration<double>(now - began_).count();
  std::fputs(("\r" + work_text(phase, share, seconds, terminal_width()) + "\x1b[K").c_str(), stderr);
}

std::string work_text(const std::string& phase, double share, double seconds, std::size_t width) {
  constexpr std::size_t kMinBar = 5, kMaxBar = 40;
  const std::string head = phase + " ";
  const std::string tail =
      fmt::format(" {:3.0f}%  {:>7} left", std::floor(100 * share), time_text(seconds * (1 - share) / share));
  const std::size_t fixed = head.size() + tail.size() + 3;  // brackets, and the last column, which wraps on some
  std::string bar;
  if (width > fixed + kMinBar) {
    const std::size_t cells = std::min(width - fixed, kMaxBar);
    const auto filled = static_cast<std::size_t>(share * static_cast<double>(cells));
    bar = std::string(filled, '=') + (filled < cells ? ">" : "");
    bar = "[" + bar + std::string(cells - bar.size(), ' ') + "]";
  }
  return (head + bar + tail).substr(0, width - 1);
}
