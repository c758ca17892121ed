// Fetching what comes next while this is multiplied. For files of one instruction set.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace sextant {
namespace {

// How many bytes ahead a stream is fetched into the L2 and into the L1 cache; 0: is not.
struct StreamFetch {
  std::int64_t far_bytes;
  std::int64_t near_bytes;
};

// Fetches lines into the L2 cache beside the arithmetic: one per step, without a branch that would
// blur the prediction of the loop's end, and more where there are few steps.
struct Fetch {
  const char* at;
  std::int64_t advance;  // a line, or 0 when all has been fetched
  std::int64_t more;     // lines per step beyond the first

  [[gnu::always_inline]] void Step() {
    _mm_prefetch(at, _MM_HINT_T1);
    at += advance;
    if (more > 0) [[unlikely]] {
      for (std::int64_t i = 0; i < more; ++i) {
        _mm_prefetch(at, _MM_HINT_T1);
        at += advance;
      }
    }
  }
};

// Spreads the lines of some memory evenly over the steps of all tiles, so that the memory is never
// idle.
class FetchPlan {
 public:
  // Without bytes to fetch it touches the line at `data` again and again, which must be cheap.
  FetchPlan(const char* data, std::int64_t bytes, std::int64_t steps)
      : at_(data), lines_(bytes == 0 ? 0 : bytes / kLine + 1), steps_(steps) {}

  // What the next `steps` steps fetch.
  Fetch Take(std::int64_t steps) {
    const std::int64_t per_step = lines_ <= 0 ? 0 : (lines_ + steps_ / 2) / (steps_ + 1);
    const Fetch fetch = {at_, lines_ <= 0 ? 0 : kLine, per_step == 0 ? 0 : per_step - 1};
    const std::int64_t taken = lines_ <= 0 ? 0 : steps * (fetch.more + 1);
    at_ += taken * kLine;
    lines_ -= taken;
    steps_ -= steps;
    return fetch;
  }

 private:
  static constexpr std::int64_t kLine = 64;

  const char* at_;
  std::int64_t lines_;
  std::int64_t steps_;
};

}  // namespace
}  // namespace sextant
