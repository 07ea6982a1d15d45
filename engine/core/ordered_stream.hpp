#pragma once

#include <cstddef>
#include <functional>

namespace gradloom {

/// What happens to every item of a stream. An item lives in a slot, which a later item takes over.
struct StreamStages {
  std::function<bool(std::size_t slot)> read;   ///< the next item, one at a time; false: there is none
  std::function<void(std::size_t slot)> work;   ///< several items at once
  std::function<void(std::size_t slot)> write;  ///< one item at a time, in the order of reading
  bool caller_writes = false;  ///< the calling thread alone writes, and does nothing else where there are others
};

/// Slots that `threads` threads need to keep each other busy: so many items are in memory.
constexpr std::size_t stream_slots(std::size_t threads) { return threads == 1 ? 1 : 2 * threads; }

/// Takes a stream through its stages on `threads` threads (at least 1), the calling one among them; each does whatever
/// is next: write, or else read and work. A stage finds what earlier stages left in the slot; what write leaves
/// anywhere, later writes find. Exceptions come out as themselves: of all items that fail the first one's, once all
/// items before it are written. So nothing that comes out depends on the number of threads.
void run_in_order(std::size_t threads, const StreamStages& stages);

}  // namespace gradloom
