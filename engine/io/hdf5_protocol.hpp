#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "engine/io/hdf5_internal.hpp"
#include "engine/io/hdf5_process.hpp"

/// What a RemoteFile and its process say to each other. Included by the hdf5*.cpp files alone.
namespace gradloom::h5 {

enum class Request : std::uint64_t {
  kExists,
  kIsGroup,
  kChildren,
  kInfo,
  kString,
  kUint,
  kDouble,
  kText,
  kTexts,
  kRead,
  kTaken,  ///< a block of elements was copied: its slot is free again
};

/// Stands first in an answer; behind an error stands its message.
enum class Answer : std::uint64_t { kDone, kConfigError, kDataError, kFileError };

inline Message request_of(Request request, const std::string& path) {
  Message message;
  message.put(static_cast<std::uint64_t>(request));
  message.put(path);
  return message;
}

template <class T>
void put_each(Message& message, const std::vector<T>& values) {
  message.put(values.size());
  for (const T& value : values) message.put(value);
}

inline std::vector<std::uint64_t> numbers(Message& message) {
  std::vector<std::uint64_t> values;
  for (std::uint64_t left = message.number(); left > 0; --left) values.push_back(message.number());
  return values;
}

inline std::vector<std::string> texts(Message& message) {
  std::vector<std::string> values;
  for (std::uint64_t left = message.number(); left > 0; --left) values.push_back(message.text());
  return values;
}

/// Cuts a part into blocks that fit a slot, in the order of the elements row by row.
template <class Use>
void for_each_block(const Part& all, NumberType type, const Use& use) {
  const std::uint64_t most = ReaderProcess::kSlotBytes / bytes_of(type);
  const std::uint64_t cols = std::clamp<std::uint64_t>(all.cols, 1, most);
  const std::uint64_t rows = most / cols;
  for (std::uint64_t r = 0; r < all.rows; r += rows)
    for (std::uint64_t c = 0; c < all.cols; c += cols)
      use(Part{all.first + r, cols < all.cols ? 1 : std::min(rows, all.rows - r), all.col + c,
               std::min(cols, all.cols - c)});
}

}  // namespace gradloom::h5
