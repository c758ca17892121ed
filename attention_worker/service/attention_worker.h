// An attention worker put together: the model's folder, the server, the engine and its thread, the
// model that it computes with and the membership, as one process runs them (main.cc) or as one of
// several roles in a process. One whose model computes the experts as well is a whole worker.
//
// Threads:   Start, Leave and the destructor belong to one thread.
// Shutdown:  in this order:
//            1. Leave: the coordinator takes the worker from its directory, so that no new sequence
//               comes; running ones get `grace` to end; goodbye, and the membership ends.
//            2. health says NOT_SERVING; the model stops waiting for others; the engine thread
//               tells the sequences that are left Unavailable, so that routers replay them
//               elsewhere, and ends.
//            3. the server ends.
//            4. the engine, the model with its streams to others, its cache and weights.
//            The destructor does 2 to 4, after ending the membership without being drained if Leave
//            has not been called.
// Faults:    a model that can compute nothing any more (WorkerModel::Check: a GPU that is lost)
//            ends the process with status 1 before its sequences are told, so that routers take it
//            for dead and replay them elsewhere.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "attention_worker/service/split_model.h"
#include "attention_worker/service/worker_model.h"
#include "common/observability/log.h"
#include "common/observability/metrics.h"
#include "common/tensor/precision.h"

namespace sextant {

class AttentionWorker {
 public:
  struct Options {
    std::string model_dir = {};
    std::string router_target = {};        // gRPC target of the router
    std::vector<std::string> listen = {};  // at least one: RpcServer::Options
    int threads = 1;                       // that compute
    Precision precision = Precision::kBf16;
    OpenWorkerModel open_model = SplitModel::Open;
    std::int64_t cache_tokens = 16384;    // of all sequences; WorkerModelArgs
    std::int64_t max_batch_tokens = 512;  // rows of one step
    std::int64_t max_sequences = 64;      // computed at once
    bool prefix_cache = true;
    std::string admin_target = {};  // of the metrics page, for people; may be empty
    absl::Duration join_timeout = absl::Seconds(60);
    Logger log = Logger("attention_worker");
    // Called once, by a thread of the membership's, when that has ended without Leave.
    std::function<void()> on_ended = nullptr;
  };

  // Opens the model, listens, waits for the router's welcome, and builds the engine for the agreed
  // numeric profile. Sequences come when the first epoch is committed, or at once where the model
  // computes the experts. `metrics` outlives the worker.
  // Errors: those of the model's folder and of opening and building the model, of the addresses to
  //         listen on, and of Member::Join.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<AttentionWorker>> Start(Options options,
                                                                              Metrics& metrics);
  ~AttentionWorker();
  AttentionWorker(const AttentionWorker&) = delete;
  AttentionWorker& operator=(const AttentionWorker&) = delete;

  // Where it listens.
  [[nodiscard]] const std::vector<std::string>& targets() const;

  // Asks to be drained and waits for at most `grace`.
  void Leave(absl::Duration grace);

  // OK, or why the membership has ended.
  [[nodiscard]] absl::Status failure() const;

 private:
  struct Parts;
  explicit AttentionWorker(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace sextant
