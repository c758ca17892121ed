// The exchange of a GPU that is one rank of several: carries the rows of both halves of its rank
// between the ranks of an epoch, in steps that all of them take together.
//
// In a layer every rank does the same, whatever its role: the attention half packs its rows, if it
// has any; one group of messages brings rows to the ranks that hold their experts; the expert half
// computes what has come; one group brings the outputs back. In slot form (rank_step.h) that is
// nothing but work on the stream, and may be captured. In exact form the numbers of rows go first,
// and the host reads them.
//
// Epochs:    Use begins one, between steps. What the communicator of an epoch has lost (Abort)
//            fails the steps that are not confirmed; their rank still has all it needs to take them
//            again in the next epoch.
// Memory:    everything is allocated by Create.
// Threads:   the engine thread makes every call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/device/gpu.h"
#include "common/exchange/device_exchange.h"
#include "common/exchange/ranks/communicator.h"
#include "common/exchange/ranks/rank_layout.h"
#include "common/exchange/ranks/rank_sides.h"
#include "common/exchange/ranks/rank_step.h"

namespace sextant {

// When a rank's rows may go: the rank's side of the conductor.
class StepTurn {
 public:
  virtual ~StepTurn() = default;

  // Waits until a step has room for `rows` rows, in exact form if that is wanted. Steps of the
  // others that come before are taken meanwhile (RankExchange::TakePart). Errors: Unavailable where
  // the epoch has ended first.
  [[nodiscard]] virtual absl::StatusOr<RankStep> Await(std::int64_t rows, bool exact) = 0;
};

class RankExchange final : public DeviceExchange {
 public:
  struct Parts {
    GpuDriver& gpu;
    const GpuStream& stream;
    RowSender* sender = nullptr;  // null: a rank that holds experts alone
    RowHost* host = nullptr;      // null: a rank that attends alone
    StepTurn& turn;
    std::vector<int> moe_layers = {};  // indices in the model, ascending
    int most_ranks = 64;
  };

  // What `parts` names outlives the exchange. Errors: ResourceExhausted for want of memory.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<RankExchange>> Create(Parts parts);
  ~RankExchange() override;

  // From the next step on. The layout's roles of this rank are those of the parts.
  // Errors: those of RowSender::Use and RowHost::Use; InvalidArgument for more ranks than there is
  //         room for. The epoch before stays then.
  [[nodiscard]] absl::Status Use(std::uint64_t epoch, std::shared_ptr<Communicator> communicator,
                                 RankLayout layout);

  // Takes part in a step without rows of its own, and waits for it. Errors: Unavailable where a
  // rank was lost.
  [[nodiscard]] absl::Status TakePart(const RankStep& step);

  [[nodiscard]] absl::StatusOr<DeviceStepForm> Begin(const DeviceStep& step) override;
  [[nodiscard]] absl::Status Dispatch(DeviceStream stream, const DeviceDispatch& dispatch) override;
  [[nodiscard]] absl::StatusOr<DeviceExpertOutputs> Collect(DeviceStream stream) override;
  [[nodiscard]] absl::Status End(DeviceStream stream) override;
  [[nodiscard]] absl::Status Confirm() override;

 private:
  struct Epoch {
    std::uint64_t number = 0;
    std::shared_ptr<Communicator> communicator;
    RankLayout layout;
  };
  // What the host reads of exact counts and of overflows; pinned.
  struct HostMemory {
    RankCounts* sent = nullptr;        // [most_ranks]
    RankCounts* received = nullptr;    // [most_ranks]
    std::int32_t* overflow = nullptr;  // [kMostSteps]
  };
  // A step that has ended and is not confirmed.
  struct Ended {
    std::shared_ptr<Communicator> communicator;
    std::size_t overflow = 0;  // which one
  };

  explicit RankExchange(Parts parts) : parts_(std::move(parts)) {}

  [[nodiscard]] bool exact() const { return step_.form == RankStepForm::kExact; }
  // Every layer from the next one up to this, without rows.
  [[nodiscard]] absl::Status SkipTo(std::size_t moe_layer);
  [[nodiscard]] absl::Status LaunchWithoutRows();
  // The numbers of rows from and to this rank, by exact form.
  [[nodiscard]] absl::Status TellCounts(DeviceStream stream);
  // One group of what is in sends_ and receives_.
  [[nodiscard]] absl::Status Exchange(DeviceStream stream, absl::string_view what);
  [[nodiscard]] absl::Status CheckHealth(Communicator& communicator) const;
  [[nodiscard]] RankCounts SentTo(std::size_t destination) const;
  [[nodiscard]] RankCounts ReceivedFrom(std::size_t source) const;

  Parts parts_;
  GpuMemory received_on_device_;  // RankCounts of each source
  GpuMemory pinned_;
  HostMemory host_memory_;
  std::unique_ptr<Epoch> epoch_;
  // Of epochs before, until nobody has a graph of theirs any more.
  std::vector<std::shared_ptr<Communicator>> retired_;
  RankStep step_;
  std::size_t next_layer_ = 0;  // of moe_layers, in the step
  bool wants_exact_ = false;  // the last step did not fit its slots
  std::deque<Ended> ended_;
  std::size_t next_overflow_ = 0;
  std::map<std::int64_t, GpuGraph> graphs_;  // of steps without rows, by the rows of a slot
  std::vector<RankMessage> sends_;
  std::vector<RankMessage> receives_;
};

}  // namespace sextant
