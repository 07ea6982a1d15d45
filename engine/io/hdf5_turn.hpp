#pragma once

#include <mutex>

/// Included by the hdf5*.cpp files alone.
namespace gradloom::h5 {

/// A thread's turn in the HDF5 library, whose errors are quiet for it then. A thread also takes one to fork: the
/// library has one global lock, and were another thread inside, the child would have that lock held for ever. Turns
/// nest. A child has its parent's turn for good: it is the only thread there.
class LibraryTurn {
 public:
  LibraryTurn();
  LibraryTurn(const LibraryTurn&) = delete;
  LibraryTurn& operator=(const LibraryTurn&) = delete;
  ~LibraryTurn();

 private:
  // Not a recursive mutex: that one knows its thread by a number, which is another one in a child.
  static inline std::mutex mutex_;
  static inline thread_local unsigned depth_ = 0;
};

}  // namespace gradloom::h5
