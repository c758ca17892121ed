// Attention workers over gRPC: one Run stream for each peer.
//
// Threads:   Connect and the peers' calls come from one thread, the reports from gRPC's own.
// Ownership: a peer's destructor cancels its stream and returns; the destructor here waits until
//            all streams have ended.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "common/rpc/channel_link.h"
#include "router/scheduling/attention_peer.h"

namespace sextant::router {

class GrpcAttentionPeers final : public AttentionPeers {
 public:
  struct Options {
    std::string own_host_id;               // who has the same is reached by its unix socket
    std::vector<std::int32_t> banned_ids;  // told to every worker first
    // `taken` must be called once the events are processed: a stream has few of them unprocessed,
    // and is read no further until then.
    std::function<void(PeerNumber, PeerEvents, absl::AnyInvocable<void()> taken)> on_events;
    std::function<void(PeerNumber, absl::Status)> on_lost;
  };

  explicit GrpcAttentionPeers(Options options);
  ~GrpcAttentionPeers() override;

  [[nodiscard]] std::unique_ptr<AttentionPeer> Connect(const AttentionWorkerInfo& worker,
                                                       PeerNumber number) override;

 private:
  class Stream;
  class Peer;

  const Options options_;
  std::vector<std::unique_ptr<ChannelLink>> links_;  // one for each stream that has not ended
};

}  // namespace sextant::router
