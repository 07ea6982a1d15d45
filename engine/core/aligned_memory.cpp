#include <sys/mman.h>

#include "gradloom/matrix.hpp"

namespace gradloom {
namespace {

constexpr std::size_t kHugePage = 2 << 20;  // bytes, on every machine with pages of 4 KiB

}  // namespace

void* allocate_aligned(std::size_t alignment, std::size_t bytes) {
  const std::size_t huge_bytes = bytes / kHugePage * kHugePage;
  void* block = nullptr;
  if (::posix_memalign(&block, huge_bytes == 0 ? alignment : kHugePage, bytes) != 0) throw std::bad_alloc();
  // A hint: where the system does not take it, pages stay small.
  if (huge_bytes != 0) (void)::madvise(block, huge_bytes, MADV_HUGEPAGE);
  return block;
}

}  // namespace gradloom
