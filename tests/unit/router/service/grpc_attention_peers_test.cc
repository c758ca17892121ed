#include "router/service/grpc_attention_peers.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"

namespace sextant::router {
namespace {

// The peers hold the process's only channel here, and whoever gives up the last one waits for
// gRPC's callback threads: were it one of them, the process would wait for itself or free twice.
TEST(GrpcAttentionPeersTest, TheLastChannelGoesOnAThreadOfOurs) {
  for (int round = 0; round < 20; ++round) {
    absl::Notification lost;
    GrpcAttentionPeers peers(
        {.own_host_id = "this host",
         .banned_ids = {},
         .on_events = [](PeerNumber, PeerEvents, absl::AnyInvocable<void()> taken) { taken(); },
         .on_lost = [&lost](PeerNumber, const absl::Status&) { lost.Notify(); }});
    AttentionWorkerInfo nobody;
    nobody.worker_id = "nobody";
    nobody.endpoint.set_host_id("this host");
    nobody.endpoint.set_unix_target(
        absl::StrCat("unix:", ::testing::TempDir(), "/no_attention_worker.sock"));

    const std::unique_ptr<AttentionPeer> peer = peers.Connect(nobody, 1);
    const bool cancelled = round % 2 == 1;  // while it connects
    EXPECT_TRUE(cancelled || lost.WaitForNotificationWithTimeout(absl::Seconds(30)));
  }
}

}  // namespace
}  // namespace sextant::router
