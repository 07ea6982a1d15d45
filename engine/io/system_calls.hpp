#pragma once

#include <dirent.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include <cstddef>
#include <limits>
#include <string_view>

/// The system calls that run folders and scratch files are read and written by. Arguments, results and errno are the
/// system's own; what a file or folder has to do with the calls is said in durable_file.hpp, append_file.hpp,
/// scratch_file.hpp and folder.hpp.
namespace gradloom::sys {

/// What is to go wrong with one call.
struct Fault {
  int error = 0;  ///< errno of a failure in place of the call; 0: the call is made
  /// The call is made for so many bytes at most (read, write, pread, pwrite).
  std::size_t most_bytes = std::numeric_limits<std::size_t>::max();
};

/// The seam through which a test lets the n-th call fail.
class FaultPlan {
 public:
  virtual ~FaultPlan() = default;
  /// Asked before every call, with its name. Several threads may ask at once.
  virtual Fault before(std::string_view call) = 0;
};

/// Every call asks `plan` first; null (as the program starts with): none is asked. Set it while no call is under way;
/// it must stay alive until another is set.
void set_fault_plan(FaultPlan* plan);

int open(const char* path, int flags, mode_t mode);
ssize_t read(int descriptor, void* out, std::size_t bytes);
ssize_t write(int descriptor, const void* from, std::size_t bytes);
ssize_t pread(int descriptor, void* out, std::size_t bytes, off_t place);
ssize_t pwrite(int descriptor, const void* from, std::size_t bytes, off_t place);
int ftruncate(int descriptor, off_t size);
int fsync(int descriptor);
int flock(int descriptor, int operation);
int close(int descriptor);
int fstat(int descriptor, struct stat* status);
int stat(const char* path, struct stat* status);
int statvfs(const char* path, struct statvfs* status);
int rename(const char* from, const char* to);
int link(const char* target, const char* name);
int unlink(const char* path);
int mkdir(const char* path, mode_t mode);
DIR* opendir(const char* path);
/// Null at the end, and with errno set where it fails.
dirent* readdir(DIR* folder);

}  // namespace gradloom::sys
