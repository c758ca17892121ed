// How the ranks of an epoch send device memory to each other: NCCL's communicator as the exchange
// uses it. Tests have one whose ranks are threads (tests/support/ranks).
//
// Order:     messages from one rank to another arrive in the order in which they were sent, and
//            have the size that the receiver expects: both sides know it before.
// Memory:    of one Exchange nothing that is received overlaps anything else.
// Stream:    asynchronous. One Exchange is one group: nothing in it waits for anything else in it.
//            It may be captured, by sender and receiver alike; both then launch their graphs
//            equally often. The first between two ranks may wait, on the host, for the other
//            side's.
// Ownership: a communicator outlives the graphs that hold an Exchange of it, and what it has on a
//            stream: its end waits for theirs.
// Threads:   one calls Exchange; Health and Abort may be called by any, at any time.
// Errors:    a rank that dies shows in no call by itself: whoever learns of it calls Abort, on
//            every surviving rank. What was under way then ends without arriving, and so does what
//            is launched later, a few graphs at most; receives leave whatever was there, and the
//            stream goes on: results are good for nothing unless Health() is OK after the stream
//            has been waited for. A rank that has been aborted may make another's receive end with
//            garbage while that one's Health() is OK: all ranks have to know that nothing counts
//            any more before the first Abort (rank_epochs.h).
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "common/device/device_stream.h"

namespace sextant {

struct RankMessage {
  int peer = 0;          // in [0, size), also this rank itself
  void* data = nullptr;  // device memory, to be read or written
  std::int64_t bytes = 0;
};

class Communicator {
 public:
  virtual ~Communicator() = default;

  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;

  // Messages of no bytes are none. Errors: kDevice once aborted; kInvalidArgument for a peer that
  // is not there or a negative size, and nothing is put on the stream.
  virtual DeviceStatus Exchange(DeviceStream stream, absl::Span<const RankMessage> sends,
                                absl::Span<const RankMessage> receives) = 0;

  // kDevice once aborted, or once a fault of the network has been noticed.
  virtual DeviceStatus Health() = 0;

  // Returns soon. No-op the second time.
  virtual void Abort() = 0;
};

}  // namespace sextant
