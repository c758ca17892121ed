// The exchange of a GPU that is one rank of several: carries the rows of both halves of its rank
// between the ranks of an epoch, in steps that all of them take together.
//
// In a layer every rank does the same, whatever its role: the attention half packs its rows, if it
// has any; one group of messages brings rows to the ranks that hold their experts; the expert half
// computes what has come; one group brings the outputs back. In slot form (rank_step.h) that is
// nothing but work on the stream, and may be captured. In exact form the numbers of rows go first,
// and the host reads them.
//
// Epochs:    the control plane prepares one and ends those before it, from threads of its own; the
//            engine thread enters it between two steps. What is halted, or has lost its
//            communicator, fails the steps that are not confirmed; their rank still has all it
//            needs to take them again in the next epoch.
// Memory:    everything but graphs and communicators is allocated by Create.
// Threads:   Prepare, Halt, EndBefore, AwaitEntered, and of the gate what step_gate.h says: any.
//            The engine thread makes every other call. One that waits for the stream of a halted
//            epoch goes on when that is aborted.
// Shutdown:  gate().Stop, then EndBefore of a later epoch to end what is under way, then the engine
//            thread's end, then the destructor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/device/gpu.h"
#include "common/exchange/device_exchange.h"
#include "common/exchange/ranks/communicator.h"
#include "common/exchange/ranks/rank_epochs.h"
#include "common/exchange/ranks/rank_layout.h"
#include "common/exchange/ranks/rank_sides.h"
#include "common/exchange/ranks/rank_step.h"
#include "common/exchange/ranks/step_gate.h"

namespace sextant {

class RankExchange final : public DeviceExchange, private RankEngine {
 public:
  struct Parts {
    GpuDriver& gpu;
    const GpuStream& stream;
    RowSender* sender = nullptr;  // null: a rank that holds experts alone
    RowHost* host = nullptr;      // null: a rank that attends alone
    ConductorLink& link;
    std::vector<int> moe_layers = {};  // indices in the model, ascending
    int most_ranks = 64;
  };

  // What `parts` names outlives the exchange. Errors: ResourceExhausted for want of memory.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<RankExchange>> Create(Parts parts);
  ~RankExchange() override;

  // From the control plane: this rank may be called to steps of that epoch, which it enters as soon
  // as it is in no other one. Errors: those of CheckMembership and RankEpochs::Prepare.
  [[nodiscard]] absl::Status Prepare(RankMembership membership);
  // Whether it could take part. Errors: InvalidArgument for more ranks than there is room for, or
  // another number than the communicator's, and for a role that this rank was not made for (one of
  // its two it may lack); those of RowSender::Check and RowHost::Check.
  [[nodiscard]] absl::Status CheckMembership(const RankMembership& membership) const;
  // From the control plane: all epochs before `next` are over. When this returns none of their
  // steps is confirmed or begun any more; nothing is aborted.
  void Halt(std::uint64_t next);
  // Halts them, and aborts their communicators; to come when all their ranks have halted.
  void EndBefore(std::uint64_t next);
  // Waits until the engine thread has entered `epoch` or a later one, or has left all and has none
  // to enter; nothing of an earlier one is on the stream then. False: Halt or EndBefore of a later
  // epoch, or gate().Stop, came first.
  [[nodiscard]] bool AwaitEntered(std::uint64_t epoch) { return gate_.AwaitEntered(epoch); }
  // What the conductors say goes there, and what wakes or stops the engine thread.
  [[nodiscard]] StepGate& gate() { return gate_; }

  // For an engine without rows: takes part in the next step of the others, or is woken. Errors: of
  // StepGate::Serve; the engine cannot go on.
  [[nodiscard]] absl::StatusOr<Served> Serve();

  // After a step or Serve that failed: OK, or why this rank can go on no more, so that its process
  // has to end: the others wait for it. Begin and Serve return nothing else from then on.
  [[nodiscard]] absl::Status Check() const;

  void OnGraphsEnd(std::function<void()> drop) override { drop_graphs_ = std::move(drop); }
  [[nodiscard]] absl::StatusOr<DeviceStepForm> Begin(const DeviceStep& step) override;
  [[nodiscard]] absl::Status Dispatch(DeviceStream stream, const DeviceDispatch& dispatch) override;
  [[nodiscard]] absl::StatusOr<DeviceExpertOutputs> Collect(DeviceStream stream) override;
  [[nodiscard]] absl::Status End(DeviceStream stream) override;
  [[nodiscard]] absl::Status Confirm() override;

 private:
  // What the host reads of exact counts and of overflows; pinned.
  struct HostMemory {
    RankCounts* sent = nullptr;        // [most_ranks]
    RankCounts* received = nullptr;    // [most_ranks]
    std::int32_t* overflow = nullptr;  // [kMostSteps]
  };
  // A step that has ended and is not confirmed.
  struct Ended {
    std::uint64_t epoch = 0;
    std::shared_ptr<Communicator> communicator = nullptr;  // null: the epoch was left
    absl::Status health = absl::OkStatus();                // when it was
    std::size_t overflow = 0;                              // which one
  };

  explicit RankExchange(Parts parts) : parts_(std::move(parts)), gate_(parts_.link, *this) {}

  // Of the gate, on the engine thread.
  void Enter(std::uint64_t epoch) override;
  void Leave(std::uint64_t next) override;
  [[nodiscard]] absl::StatusOr<StepEnd> TakeWithoutRows(const RankStep& step) override;

  [[nodiscard]] absl::Status UseLayout(const RankMembership& epoch);
  // Waits for the stream; then nothing of the epoch is used any more.
  [[nodiscard]] absl::Status LetGo();
  // A step with rows that failed before its end. Errors: those of Check.
  [[nodiscard]] absl::Status GiveUpStep();
  // What came of the gate: most errors are for good.
  absl::Status Note(const absl::Status& status);
  [[nodiscard]] absl::Status RunWithoutRows();
  [[nodiscard]] bool exact() const { return step_.form == RankStepForm::kExact; }
  // Every layer from the next one up to this, without rows.
  [[nodiscard]] absl::Status SkipTo(std::size_t moe_layer);
  [[nodiscard]] absl::Status LaunchWithoutRows();
  // The numbers of rows from and to this rank, by exact form.
  [[nodiscard]] absl::Status TellCounts(DeviceStream stream);
  // One group of what is in sends_ and receives_.
  [[nodiscard]] absl::Status Exchange(DeviceStream stream, absl::string_view what);
  // Of the epoch that was entered last.
  [[nodiscard]] absl::Status CheckHealth() const;
  [[nodiscard]] RankCounts SentTo(std::size_t destination) const;
  [[nodiscard]] RankCounts ReceivedFrom(std::size_t source) const;

  Parts parts_;
  StepGate gate_;
  GpuMemory received_on_device_;  // RankCounts of each source
  GpuMemory pinned_;
  HostMemory host_memory_;

  RankEpochs epochs_;

  // The engine thread's.
  RowSender* sender_ = nullptr;  // what takes part in the epoch, as the next one
  RowHost* host_ = nullptr;
  std::optional<RankMembership> epoch_;  // none: never entered, or left
  absl::Status entered_;                 // or why it cannot take part in the epoch
  absl::Status failure_;                 // why it can go on no more
  std::function<void()> drop_graphs_;
  RankStep step_;
  std::size_t next_layer_ = 0;  // of moe_layers, in the step
  bool in_step_ = false;        // with rows, and not ended
  bool wants_exact_ = false;    // the last step did not fit its slots
  std::deque<Ended> ended_;
  std::size_t next_overflow_ = 0;
  std::map<std::int64_t, GpuGraph> graphs_;  // of steps without rows, by the rows of a slot
  std::vector<RankMessage> sends_;
  std::vector<RankMessage> receives_;
};

}  // namespace sextant
