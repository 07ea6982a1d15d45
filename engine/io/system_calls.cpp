#include "engine/io/system_calls.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>

namespace gradloom::sys {
namespace {

std::atomic<FaultPlan*> fault_plan{nullptr};

// True where the call is to fail; errno is set then. Shortens `bytes` where only that is to go wrong.
bool fails(std::string_view call, std::size_t* bytes = nullptr) {
  FaultPlan* const plan = fault_plan.load(std::memory_order_acquire);
  if (plan == nullptr) return false;
  const Fault fault = plan->before(call);
  if (bytes != nullptr) *bytes = std::min(*bytes, fault.most_bytes);
  if (fault.error != 0) errno = fault.error;
  return fault.error != 0;
}

}  // namespace

void set_fault_plan(FaultPlan* plan) { fault_plan.store(plan, std::memory_order_release); }

int open(const char* path, int flags, mode_t mode) { return fails("open") ? -1 : ::open(path, flags, mode); }

ssize_t read(int descriptor, void* out, std::size_t bytes) {
  return fails("read", &bytes) ? -1 : ::read(descriptor, out, bytes);
}

ssize_t write(int descriptor, const void* from, std::size_t bytes) {
  return fails("write", &bytes) ? -1 : ::write(descriptor, from, bytes);
}

ssize_t pread(int descriptor, void* out, std::size_t bytes, off_t place) {
  return fails("pread", &bytes) ? -1 : ::pread(descriptor, out, bytes, place);
}

ssize_t pwrite(int descriptor, const void* from, std::size_t bytes, off_t place) {
  return fails("pwrite", &bytes) ? -1 : ::pwrite(descriptor, from, bytes, place);
}

int ftruncate(int descriptor, off_t size) { return fails("ftruncate") ? -1 : ::ftruncate(descriptor, size); }
int fsync(int descriptor) { return fails("fsync") ? -1 : ::fsync(descriptor); }
int flock(int descriptor, int operation) { return fails("flock") ? -1 : ::flock(descriptor, operation); }

int close(int descriptor) {
  const bool failed = fails("close");
  const int error = errno;
  const int result = ::close(descriptor);  // a close that fails closes all the same
  if (!failed) return result;
  errno = error;
  return -1;
}

int fstat(int descriptor, struct stat* status) { return fails("fstat") ? -1 : ::fstat(descriptor, status); }
int stat(const char* path, struct stat* status) { return fails("stat") ? -1 : ::stat(path, status); }
int statvfs(const char* path, struct statvfs* status) { return fails("statvfs") ? -1 : ::statvfs(path, status); }
int rename(const char* from, const char* to) { return fails("rename") ? -1 : ::rename(from, to); }
int link(const char* target, const char* name) { return fails("link") ? -1 : ::link(target, name); }
int unlink(const char* path) { return fails("unlink") ? -1 : ::unlink(path); }
int mkdir(const char* path, mode_t mode) { return fails("mkdir") ? -1 : ::mkdir(path, mode); }
DIR* opendir(const char* path) { return fails("opendir") ? nullptr : ::opendir(path); }
dirent* readdir(DIR* folder) { return fails("readdir") ? nullptr : ::readdir(folder); }

}  // namespace gradloom::sys
