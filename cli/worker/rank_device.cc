#include "cli/worker/rank_device.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/membership/roles.h"

namespace sextant::cli {
namespace {

bool Attends(v1::Role role) { return role == v1::ROLE_ATTENTION || role == v1::ROLE_COLOCATED; }
bool HoldsExperts(v1::Role role) { return role == v1::ROLE_EXPERT || role == v1::ROLE_COLOCATED; }

absl::Status Check(const RankDeviceArgs& args, const RankDevice& device) {
  if (!Attends(device.role) && !HoldsExperts(device.role)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a GPU of several cannot have the role ", RoleName(device.role)));
  }
  if (args.precision == Precision::kFp32) {
    return absl::InvalidArgumentError("a GPU computes in bf16 alone, and fp32 was asked for");
  }
  return DeviceModel::CheckWidths(args.config);
}

}  // namespace

absl::StatusOr<OpenedRank> OpenRankDevice(const RankDeviceArgs& args, const RankDevice& device) {
  RETURN_IF_ERROR(Check(args, device));
  OpenedRank opened;
  opened.layout = absl::StrCat("max-batch-tokens ", args.max_batch_tokens, ", max-sequences ",
                               args.max_sequences, ", most-ranks ", device.most_ranks);
  ASSIGN_OR_RETURN(opened.network, device.open_network());
  const Logger log = args.log;
  opened.control = std::make_unique<RankControl>(RankControl::Options{
      .network = *opened.network,
      .num_experts = static_cast<std::int32_t>(args.config.n_routed_experts),
      .limits = {.chosen = args.config.num_experts_per_tok,
                 .most_slot_rows = args.max_sequences,
                 .most_rows = args.max_batch_tokens},
      .log = log,
      .on_broken = [log](const absl::Status& status) {
        log.Error("this rank can take no step any more; ending, so that the others go on",
                  {{"error", status.ToString()}});
        std::_Exit(EXIT_FAILURE);
      }});
  ASSIGN_OR_RETURN(CudaBackend backend, device.open_gpu(device.gpu));
  const int slots = device.expert_slots > 0 ? device.expert_slots
                                            : static_cast<int>(args.config.n_routed_experts);
  DeviceRank::Options options{.attends = Attends(device.role),
                              .expert_slots = HoldsExperts(device.role) ? slots : 0,
                              .most_ranks = device.most_ranks,
                              .memory_bytes = device.memory_bytes,
                              .max_batch_tokens = args.max_batch_tokens,
                              .max_sequences = args.max_sequences,
                              .upload_threads = args.threads};
  if (args.cache_tokens > 0) options.cache_tokens = args.cache_tokens;
  ASSIGN_OR_RETURN(opened.rank, DeviceRank::Open(std::move(backend), args.config, args.checkpoint,
                                                 opened.control->link(), options));
  opened.control->Use(*opened.rank);
  return opened;
}

}  // namespace sextant::cli
