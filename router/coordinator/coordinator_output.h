// What the coordinator does to the world outside.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "proto/sextant/v1/cluster.pb.h"
#include "proto/sextant/v1/hosts.pb.h"
#include "router/coordinator/attention_directory.h"

namespace sextant {

// One stream of Cluster.Join or of Hosts.Follow, numbered in the order in which they were opened.
using StreamId = std::uint64_t;

// The coordinator calls these in the middle of its own work: they must not call it back.
class CoordinatorOutput {
 public:
  virtual ~CoordinatorOutput() = default;

  virtual void Send(StreamId stream, const v1::CoordinatorMessage& message) = 0;
  // After everything that was sent; nothing is sent or heard on it any more.
  virtual void End(StreamId stream, const absl::Status& status) = 0;
  // The same for a stream of Hosts.Follow.
  virtual void SendOrders(StreamId stream, const v1::HostOrders& orders) = 0;
  virtual void EndHost(StreamId stream, const absl::Status& status) = 0;
  // What is worth counting: a phase of an epoch that was gone through, an epoch with its cause and
  // the experts that got another holder.
  virtual void PhaseEnded(const char* phase, absl::Duration took) = 0;
  virtual void EpochCommitted(const std::string& cause, int moved) = 0;
  virtual void SetDirectory(const std::vector<AttentionWorkerInfo>& workers) = 0;
  virtual void SetCover(const ExpertCover& cover) = 0;
};

}  // namespace sextant
