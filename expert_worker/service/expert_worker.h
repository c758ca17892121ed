// A whole expert worker: the model's folder, the server, the thread that computes, and the
// membership, as one process runs them (main.cc) or as one of several roles in a process.
//
// Threads:   Start, Leave and the destructor belong to one thread.
// Shutdown:  in this order:
//            1. Leave: the coordinator moves every expert elsewhere; attention workers commit to
//               that placement and close their streams; goodbye, and the membership ends.
//            2. health says NOT_SERVING; the server takes no new stream, ends those that are left
//               after a grace of a second.
//            3. the dispatch worker computes what still waits, and its thread ends.
//            4. the shard, the checkpoint.
//            The destructor does 2 to 4, after ending the membership without being drained if Leave
//            has not been called.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/observability/log.h"
#include "common/observability/metrics.h"
#include "common/tensor/precision.h"

namespace sextant {

class ExpertWorker {
 public:
  struct Options {
    std::string model_dir = {};
    std::string router_target = {};        // gRPC target of the router
    std::vector<std::string> listen = {};  // at least one: RpcServer::Options
    int threads = 1;                       // that compute
    Precision precision = Precision::kBf16;
    std::string admin_target = {};  // of the metrics page, for people; may be empty
    absl::Duration join_timeout = absl::Seconds(60);
    Logger log = Logger("expert_worker");
    // Called once, by a thread of the membership's, when that has ended without Leave.
    std::function<void()> on_ended = nullptr;
  };

  // Opens the model, listens, and waits for the router's welcome. Experts come when it says so.
  // `metrics` outlives the worker.
  // Errors: those of the model's folder, of the addresses to listen on, and of Member::Join.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<ExpertWorker>> Start(Options options,
                                                                           Metrics& metrics);
  ~ExpertWorker();
  ExpertWorker(const ExpertWorker&) = delete;
  ExpertWorker& operator=(const ExpertWorker&) = delete;

  // Where it listens.
  [[nodiscard]] const std::vector<std::string>& targets() const;

  // Asks to be drained and waits for at most `grace`.
  void Leave(absl::Duration grace);

  // OK, or why the membership has ended.
  [[nodiscard]] absl::Status failure() const;

 private:
  struct Parts;
  explicit ExpertWorker(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace sextant
