// A worker that is one GPU of several and holds routed experts alone: the model's folder, the
// server, the thread that takes the steps of others, and the membership.
//
// Threads:   Start, Leave and the destructor belong to one thread.
// Shutdown:  Leave: the coordinator moves every expert elsewhere, the other ranks go on without
//            this one; goodbye, and the membership ends. The destructor does the rest, after ending
//            the membership without being drained if Leave has not been called: the thread's steps
//            end, the streams to conductors, the server, the GPU's memory.
// Faults:    a GPU that is lost ends the process with status 1, so that the others go on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/worker/rank_device.h"
#include "common/observability/log.h"
#include "common/observability/metrics.h"
#include "common/tensor/precision.h"

namespace sextant::cli {

class ExpertRank {
 public:
  struct Options {
    std::string model_dir = {};
    std::string router_target = {};        // gRPC target of the router
    std::vector<std::string> listen = {};  // at least one: RpcServer::Options
    RankDevice device = {};                // of ROLE_EXPERT
    int threads = 1;                       // that read weights
    Precision precision = Precision::kBf16;
    std::int64_t max_batch_tokens = 512;  // of each rank that attends: rows of one step
    std::int64_t max_sequences = 64;      // likewise: computed at once
    std::string admin_target = {};        // of the metrics page, for people; may be empty
    absl::Duration join_timeout = absl::Seconds(60);
    Logger log = Logger("expert_worker");
    // Called once, by a thread of the membership's, when that has ended without Leave.
    std::function<void()> on_ended = nullptr;
  };

  // Opens the model and the GPU, listens, and waits for the router's welcome. Experts come when it
  // says so. `metrics` outlives the worker.
  // Errors: those of the model's folder, of OpenRankDevice, of the addresses to listen on, and of
  //         Member::Join.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<ExpertRank>> Start(Options options,
                                                                         Metrics& metrics);
  ~ExpertRank();
  ExpertRank(const ExpertRank&) = delete;
  ExpertRank& operator=(const ExpertRank&) = delete;

  // Where it listens.
  [[nodiscard]] const std::vector<std::string>& targets() const;

  // Asks to be drained and waits for at most `grace`.
  void Leave(absl::Duration grace);

  // OK, or why the membership has ended.
  [[nodiscard]] absl::Status failure() const;

 private:
  struct Parts;
  explicit ExpertRank(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace sextant::cli
