// The way of a rank to the conductors of its epochs, in whatever processes they are, also its own:
// one stream for each epoch, on which its offers go and its calls come.
//
// A stream that breaks is opened again while the epoch lasts, and goes on where it was: the newest
// offer is made again, which changes nothing where it had arrived, and calls that have been heard
// do not come again. That a conductor is dead is the control plane's to find out.
//
// Threads:   every method may be called from any thread, but for Use, Stop and the destructor. A
//            thread of its own opens streams again and closes old channels. `on_trouble` and the
//            gate's Hear are called on gRPC's threads.
// Shutdown:  the gate's engine thread first, then Stop, then destroy the gate, then this.
#pragma once

#include <grpcpp/client_context.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/exchange/ranks/link/rank_stream.h"
#include "common/exchange/ranks/step_gate.h"
#include "common/rpc/channel_link.h"

namespace sextant {

struct RankTrouble {
  std::uint64_t epoch = 0;
  // The stream is opened again. If not, the epoch has to be given up: its conductor says what it
  // cannot say or refuses this rank, or it is over there.
  bool retried = false;
  absl::Status status;
};

class RankLink final : public ConductorLink, private RankStreamOwner {
 public:
  struct Options {
    std::function<void(const RankTrouble&)> on_trouble;  // must not wait, nor call the link
    // Between attempts, doubled after each one that brings nothing.
    absl::Duration first_retry = absl::Milliseconds(20);
    absl::Duration longest_retry = absl::Seconds(1);
  };

  explicit RankLink(Options options);
  ~RankLink() override;
  RankLink(const RankLink&) = delete;
  RankLink& operator=(const RankLink&) = delete;

  // Where what conductors say goes; once, before the first Prepare. It lives until Stop.
  void Use(StepGate& gate) { gate_ = &gate; }

  // From the control plane: this rank is `rank`, in [0, N), of that epoch, which the process at the
  // gRPC target conducts. Opens the stream and returns. No-op when it is told twice or too late.
  void Prepare(std::uint64_t epoch, int rank, const std::string& target);
  // From the control plane: all epochs before `next` are over.
  void EndBefore(std::uint64_t next);
  // From the control plane: that epoch will not be. No-op for one that is not prepared, or over.
  void GiveUp(std::uint64_t epoch);

  // Asks the conductor of a prepared epoch for the id of its communicator, and waits. Errors:
  // DeadlineExceeded; Cancelled after EndBefore, GiveUp and Stop; FailedPrecondition for an epoch
  // that is over or not prepared.
  [[nodiscard]] absl::StatusOr<std::string> FetchId(std::uint64_t epoch, absl::Duration timeout);

  // The engine thread. Dropped for an epoch that is not prepared, or over.
  void Send(const StepOffer& offer) override;

  // Ends all streams; nothing is called afterwards. No-op when it is told twice.
  void Stop();

  // Breaks the streams, as a failing connection does: they are opened again.
  void BreakStreams();

 private:
  struct Epoch {
    int rank = 0;
    std::unique_ptr<ChannelLink> link;
    std::uint64_t attempts = 0;
    std::shared_ptr<RankStream> stream;  // null: it has ended
    std::uint64_t heard = 0;             // by streams that have ended
    std::optional<StepOffer> offer;      // the newest
    std::set<grpc::ClientContext*> fetches;
    bool given_up = false;
    absl::Time opened_at = absl::InfinitePast();
    absl::Time retry_at = absl::InfinitePast();
    absl::Duration retry = absl::ZeroDuration();
  };
  using Epochs = std::map<std::uint64_t, Epoch>;

  [[nodiscard]] absl::Status OnCall(const StepCall& call) override { return gate_->Hear(call); }
  [[nodiscard]] absl::Status OnLast(const LastStep& last) override { return gate_->Hear(last); }
  void OnEnd(const RankStreamEnd& end) override;

  // With the lock.
  void Open(std::uint64_t number, Epoch& epoch);
  [[nodiscard]] Epochs::iterator Forget(Epochs::iterator it);
  // Opens what is due; when the next one is.
  [[nodiscard]] absl::Time Reopen();

  void Keep();  // a thread

  const Options options_;
  StepGate* gate_ = nullptr;

  std::mutex mutex_;  // guards all below; not Mutex, for it waits until a time
  std::condition_variable changed_;
  std::uint64_t first_ = 1;  // epochs before it are over
  Epochs epochs_;
  std::vector<std::unique_ptr<ChannelLink>> old_links_;  // of epochs that are over
  bool stopping_ = false;

  std::thread keeper_;
};

}  // namespace sextant
