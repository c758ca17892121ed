#include "cli/worker/rank_worker_model.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace sextant::cli {

absl::StatusOr<std::unique_ptr<WorkerModel>> RankWorkerModel::Open(const WorkerModelArgs& args,
                                                                   const RankDevice& device) {
  ASSIGN_OR_RETURN(OpenedRank opened, OpenRankDevice({.config = args.config,
                                                      .checkpoint = args.checkpoint,
                                                      .log = args.log,
                                                      .threads = args.threads,
                                                      .precision = args.precision,
                                                      .cache_tokens = args.cache_tokens,
                                                      .max_batch_tokens = args.max_batch_tokens,
                                                      .max_sequences = args.max_sequences},
                                                     device));
  return std::unique_ptr<WorkerModel>(new RankWorkerModel(device.role, std::move(opened)));
}

RankWorkerModel::~RankWorkerModel() { opened_.control->StopStreams(); }

absl::Status RankWorkerModel::Build(const std::string& profile, const std::string& worker_id) {
  worker_id_ = worker_id;
  if (profile == kRankProfile) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("this worker computes ", kRankProfile, ", not ", profile));
}

absl::Status RankWorkerModel::Check() {
  RETURN_IF_ERROR(opened_.rank->exchange().Check());
  // What CUDA has found wrong with the GPU comes back with every later call.
  return opened_.rank->stream().Synchronize();
}

}  // namespace sextant::cli
