// The two halves of a rank in one MoE layer, between which RankExchange carries messages: what one
// half sends, and where what it receives goes. Device memory throughout.
//
// Shapes:    D destinations (ranks that hold experts) and A sources (ranks that attend), both in
//            the order of RankLayout; C rows and P pairs of a slot (rank_step.h); H hidden, K
//            chosen.
// Order:     a slot's pairs ascend by row, then by choice, on both sides.
// Stream:    all work is asynchronous; messages name memory that stays as long as the half does.
// Threads:   the engine thread makes every call.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "common/device/device_stream.h"
#include "common/exchange/device_exchange.h"
#include "common/exchange/ranks/communicator.h"
#include "common/exchange/ranks/rank_layout.h"
#include "common/exchange/ranks/rank_step.h"

namespace sextant {

// What goes from a source to a destination, or back: rows, and pairs of a row and an expert.
struct RankCounts {
  std::int32_t rows = 0;
  std::int32_t pairs = 0;
};

// The attention half.
class RowSender {
 public:
  virtual ~RowSender() = default;

  // Whether rows can go by that layout. Any thread. Errors: InvalidArgument for another model, or
  // more destinations than there is room for.
  [[nodiscard]] virtual absl::Status Check(const RankLayout& layout) const = 0;

  // From the next step on they do; this is its attention rank `attention`. After Check.
  [[nodiscard]] virtual absl::Status Use(const RankLayout& layout, int attention) = 0;

  // Puts the rows of a layer into the slots of all destinations: whole slots of the step's size, or
  // in exact form of as many rows as there are. No tokens: slots without rows.
  [[nodiscard]] virtual absl::Status Pack(DeviceStream stream, const DeviceDispatch& dispatch,
                                          const RankStep& step) = 0;
  // After it: [D], and whether anything since the stream's last FillZeros of it did not fit (1).
  [[nodiscard]] virtual std::int32_t* counts() = 0;
  [[nodiscard]] virtual std::int32_t* overflow() = 0;

  // The first `rows` rows of the slot for `destination`, with the ids of their experts.
  virtual void AddSends(int destination, int peer, std::int64_t rows,
                        std::vector<RankMessage>& sends) = 0;
  // The outputs of a destination's `pairs`, from the `first` of all on.
  virtual void AddReceives(int peer, std::int64_t first, std::int64_t pairs,
                           std::vector<RankMessage>& receives) = 0;

  // Once those are there.
  [[nodiscard]] virtual DeviceExpertOutputs outputs() const = 0;
};

// The expert half.
class RowHost {
 public:
  virtual ~RowHost() = default;

  // Whether rows can come by that layout, whose expert rank `destination` this is. Any thread.
  // Errors: InvalidArgument for more sources than there is room for, FailedPrecondition for experts
  // that are not here.
  [[nodiscard]] virtual absl::Status Check(const RankLayout& layout, int destination) const = 0;

  // From the next step on they do. After Check. Errors: as Check, where experts have gone since.
  [[nodiscard]] virtual absl::Status Use(const RankLayout& layout, int destination) = 0;

  // Of each layer first: what comes are slots of the step's size from every source [A] ...
  [[nodiscard]] virtual absl::Status ExpectSlots(const RankStep& step) = 0;
  // ... or so many rows of each, one source after another. Errors: ResourceExhausted for more than
  // there is room for.
  [[nodiscard]] virtual absl::Status ExpectExactly(DeviceStream stream,
                                                   absl::Span<const RankCounts> counts) = 0;

  // `rows` rows of a source, from the `first` of all on.
  virtual void AddReceives(int peer, std::int64_t first, std::int64_t rows,
                           std::vector<RankMessage>& receives) = 0;

  // Computes the rows that have come, and puts their outputs in the order of pairs.
  [[nodiscard]] virtual absl::Status Compute(DeviceStream stream, int layer) = 0;

  // Outputs of `pairs`, from the `first` of all on.
  virtual void AddSends(int peer, std::int64_t first, std::int64_t pairs,
                        std::vector<RankMessage>& sends) = 0;
};

}  // namespace sextant
