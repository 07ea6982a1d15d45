#include "support/allocation_count.hpp"

#include <dlfcn.h>
#include <execinfo.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

// glibc's own, under the names that stay when malloc is replaced.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
}

namespace gradloom::testing {
namespace {

constexpr int kFrames = 24;

struct CallStack {
  std::array<void*, kFrames> frames;
  int depth = 0;
};

std::atomic<std::uint64_t> count{0};
std::atomic<bool> watching{false};
std::atomic<std::size_t> kept{0};
std::array<CallStack, 4> stacks;

void note() {
  count.fetch_add(1, std::memory_order_relaxed);
  if (!watching.load(std::memory_order_relaxed)) return;
  const std::size_t place = kept.fetch_add(1);
  if (place < stacks.size()) stacks[place].depth = backtrace(stacks[place].frames.data(), kFrames);
}

}  // namespace

std::uint64_t allocations() { return count.load(); }

void watch_allocations() {
  void* frame = nullptr;
  backtrace(&frame, 1);  // its first call loads a library
  kept = 0;
  watching = true;
}

void print_watched_allocations() {
  watching = false;
  for (std::size_t i = 0; i < std::min(stacks.size(), kept.load()); ++i) {
    backtrace_symbols_fd(stacks[i].frames.data(), stacks[i].depth, STDERR_FILENO);
    (void)!write(STDERR_FILENO, "\n", 1);
  }
}

}  // namespace gradloom::testing

using gradloom::testing::note;

extern "C" {

void* malloc(std::size_t bytes) {
  note();
  return __libc_malloc(bytes);
}

void* calloc(std::size_t elements, std::size_t bytes) {
  note();
  return __libc_calloc(elements, bytes);
}

void* realloc(void* block, std::size_t bytes) {
  note();
  return __libc_realloc(block, bytes);
}

void* memalign(std::size_t alignment, std::size_t bytes) {
  note();
  return __libc_memalign(alignment, bytes);
}

void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  note();
  return __libc_memalign(alignment, bytes);
}

int posix_memalign(void** block, std::size_t alignment, std::size_t bytes) {
  note();
  *block = __libc_memalign(alignment, bytes);
  return *block == nullptr ? ENOMEM : 0;
}

// oneTBB falls back on malloc where it does not find this library.
void* dlopen(const char* file, int mode) {
  if (file != nullptr && std::strstr(file, "tbbmalloc") != nullptr) return nullptr;
  using Dlopen = void* (*)(const char*, int);
  static const auto next = reinterpret_cast<Dlopen>(dlsym(RTLD_NEXT, "dlopen"));
  return next(file, mode);
}

}  // extern "C"
