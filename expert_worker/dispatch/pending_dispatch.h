// A dispatch that waits for its turn, and whom to answer.
#pragma once

#include <chrono>
#include <memory>

#include "common/exchange/frame.h"

namespace sextant {

// One attention worker's stream.
//
// Threads:   any.
class DispatchSource {
 public:
  virtual ~DispatchSource() = default;

  // True when nobody waits for answers any more, so that computing them would be for nothing.
  [[nodiscard]] virtual bool gone() const = 0;

  // Sends an answer; once for every dispatch. Never blocks; does nothing when the source is gone.
  virtual void Answer(FrameBytes frame) = 0;
};

struct PendingDispatch {
  DispatchFrame frame;
  std::shared_ptr<const void> bytes;  // keeps alive what `frame` borrows
  std::shared_ptr<DispatchSource> source;
  std::chrono::steady_clock::time_point arrived = std::chrono::steady_clock::now();
};

}  // namespace sextant
