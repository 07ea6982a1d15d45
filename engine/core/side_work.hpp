#pragma once

namespace gradloom {

/// Work that nobody waits for yet, in pieces: threads do some where they would otherwise wait for each other.
class SideWork {
 public:
  SideWork() = default;
  SideWork(const SideWork&) = delete;
  SideWork& operator=(const SideWork&) = delete;
  virtual ~SideWork() = default;

  /// True where a piece is left that nobody has begun.
  [[nodiscard]] virtual bool has_pieces() const noexcept = 0;

  /// Does a piece that nobody has begun; false where none is left. On any thread, several at once.
  virtual bool do_piece() noexcept = 0;
};

}  // namespace gradloom
