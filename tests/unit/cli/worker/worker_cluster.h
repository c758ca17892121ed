// A router's control plane in this process, to which workers in this process belong, and sequences
// asked of them as a router asks.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/config/model_config.h"
#include "common/rpc/server.h"
#include "proto/sextant/v1/attention.pb.h"
#include "router/service/control_plane/control_plane.h"
#include "tests/support/temp_dir.h"

namespace sextant::cli {

using Ids = std::vector<std::int32_t>;

class WorkerCluster {
 public:
  static constexpr absl::Duration kPatience = absl::Seconds(60);

  // `profile`: the cluster's, or empty. Fails the test on an error.
  explicit WorkerCluster(const std::string& profile);
  ~WorkerCluster();
  WorkerCluster(const WorkerCluster&) = delete;
  WorkerCluster& operator=(const WorkerCluster&) = delete;

  [[nodiscard]] std::string router() const { return Target("router"); }
  // Of a unix socket.
  [[nodiscard]] std::string Target(const std::string& name) const;

  [[nodiscard]] StatusBoard::Snapshot status() { return control_->status(); }
  // Whether that has come within kPatience.
  bool Await(const std::function<bool(const v1::ClusterStatus&)>& wanted);
  // So many workers are there, all ready, and no change is under way.
  bool AwaitReady(int workers);

 private:
  const TempDir dir_;
  std::unique_ptr<ControlPlane> control_;
  std::unique_ptr<RpcServer> server_;
};

// All sequences on one stream to an attention worker; their tokens by number. A sequence that
// fails, or a stream that breaks, fails the test. `on_token` is called for each.
[[nodiscard]] std::map<std::uint64_t, Ids> Ask(const std::string& target,
                                               const std::vector<v1::StartSequence>& starts,
                                               const std::function<void()>& on_token = nullptr);

// The tokens of a request on one GPU that computes nothing else: what MakeStart asks for.
class OneGpu {
 public:
  explicit OneGpu(const std::string& folder);
  ~OneGpu();
  [[nodiscard]] Ids Answer(const Ids& prompt, std::int64_t tokens, std::uint64_t seed);

 private:
  struct Parts;
  const std::unique_ptr<Parts> parts_;
};

}  // namespace sextant::cli
