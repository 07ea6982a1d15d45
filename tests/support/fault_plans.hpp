#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/system_calls.hpp"

namespace gradloom::testing {

/// Lets the n-th call of the file layer go wrong (counted from 0) as `fault` says, and notes the names of all.
class NthCallFails final : public sys::FaultPlan {
 public:
  NthCallFails(std::size_t n, sys::Fault fault) : n_(n), fault_(fault) { sys::set_fault_plan(this); }
  ~NthCallFails() override { sys::set_fault_plan(nullptr); }
  NthCallFails(const NthCallFails&) = delete;
  NthCallFails& operator=(const NthCallFails&) = delete;

  sys::Fault before(std::string_view call) override {
    const std::lock_guard lock(mutex_);  // the thread that writes checkpoints calls too
    calls_.emplace_back(call);
    return calls_.size() == n_ + 1 ? fault_ : sys::Fault{};
  }

  /// Calls made so far.
  [[nodiscard]] std::vector<std::string> calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }

 private:
  const std::size_t n_;
  const sys::Fault fault_;
  mutable std::mutex mutex_;
  std::vector<std::string> calls_;
};

/// Nothing goes wrong: for counting calls.
inline constexpr std::size_t kNever = static_cast<std::size_t>(-2);

}  // namespace gradloom::testing
