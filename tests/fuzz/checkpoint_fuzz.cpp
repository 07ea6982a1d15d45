// The user block of a checkpoint, and the payload that it vouches for. What was sealed is accepted as it is; with any
// bit of it changed it is refused.

#include <algorithm>
#include <span>
#include <vector>

#include "engine/checkpoint/checkpoint.hpp"
#include "engine/checkpoint/format.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace gradloom::fuzz {
namespace {

using Bytes = std::vector<std::byte>;

bool is_accepted(const Bytes& file) {
  return accepted([&] { return checked_payload(file, "fuzz").size(); }).has_value();
}

// A bit of the file, chosen by its first bytes: anywhere in a short one, near the front in a long one.
void flip(Bytes& file, Choices& choices) {
  const std::size_t place = (choices.byte() | choices.byte() << 8U) % file.size();
  file[place] ^= std::byte{1} << (choices.byte() % 8U);
}

}  // namespace
}  // namespace gradloom::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gradloom;
  const auto bytes = std::as_bytes(std::span(data, size));
  fuzz::Bytes file(bytes.begin(), bytes.end());
  const bool was_sealed = fuzz::is_accepted(file);
  fuzz::require(!was_sealed || starts_like_checkpoint(file), "a whole checkpoint starts like one");
  (void)starts_like_hdf5(file);

  file.resize(std::max(file.size(), kUserBlockBytes));
  seal(file);
  fuzz::require(fuzz::is_accepted(file), "a sealed file is accepted");
  fuzz::require(!was_sealed || std::equal(file.begin(), file.end(), bytes.begin(), bytes.end()),
                "only what seal writes is accepted");
  const auto payload = checked_payload(file, "fuzz");
  fuzz::require(payload.data() == file.data() + kUserBlockBytes && payload.size() == file.size() - kUserBlockBytes,
                "the payload is all that stands behind the user block");

  fuzz::Choices choices(fuzz::as_text(data, size));
  fuzz::flip(file, choices);
  fuzz::require(!fuzz::is_accepted(file), "a flipped bit is refused");
  file.resize(file.size() - 1);
  fuzz::require(!fuzz::is_accepted(file), "a file that is cut short is refused");
  return 0;
}
