// Looks for NaN and Inf, compiled once for each instruction set: include after hwy/foreach_target.h only.
#if defined(GRADLOOM_FINITE_CHECK_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef GRADLOOM_FINITE_CHECK_INL_HPP
#undef GRADLOOM_FINITE_CHECK_INL_HPP
#else
#define GRADLOOM_FINITE_CHECK_INL_HPP
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace gradloom {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Remembers whether all numbers it saw were finite: x - x is 0 for those, NaN for the others.
template <class D>
class FiniteCheck {
 public:
  HWY_INLINE explicit FiniteCheck(D d) : d_(d), trace_(hn::Zero(d)) {}
  HWY_INLINE void see(hn::Vec<D> x) { trace_ = hn::Add(trace_, hn::Sub(x, x)); }
  [[nodiscard]] HWY_INLINE bool finite() const { return hn::AllTrue(d_, hn::Eq(trace_, hn::Zero(d_))); }

 private:
  D d_;
  hn::Vec<D> trace_;
};

}  // namespace HWY_NAMESPACE
}  // namespace gradloom
HWY_AFTER_NAMESPACE();

#endif
