#include "cli/plan/gpu_memory.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "attention_worker/device/device_weights.h"
#include "attention_worker/device/memory_plan.h"
#include "cli/engine/cache_limits.h"
#include "common/base/status.h"
#include "expert_worker/device/device_experts.h"
#include "expert_worker/device/local_device_exchange.h"

namespace sextant::cli {
namespace {

constexpr std::int64_t kBf16Bytes = 2;
constexpr std::int64_t kUnlimitedBytes = std::int64_t{1} << 60;

// Rows that come from other ranks, and outputs that come back. A rank may get every row of a step,
// for as many experts as a row has.
std::int64_t TravelBytes(const ModelConfig& config, const Rank& rank, const MemoryNeeds& needs) {
  if (rank.experts == config.n_routed_experts && rank.attention) return 0;
  const std::int64_t received = rank.experts > 0 ? needs.cluster_rows : 0;
  const std::int64_t returned = rank.attention ? needs.step_rows * config.num_experts_per_tok : 0;
  return (received + returned) * config.hidden_size * kBf16Bytes;
}

// All but the attention half.
GpuShare ExpertShare(const ModelConfig& config, const Rank& rank, const MemoryNeeds& needs) {
  GpuShare share = {.workspace_bytes = TravelBytes(config, rank, needs),
                    .reserve_bytes = needs.reserve_bytes};
  if (rank.experts == 0) return share;
  share.expert_weight_bytes = DeviceExperts::Bytes(config, rank.experts);
  share.workspace_bytes += LocalDeviceExchange::Bytes(config, needs.cluster_rows);
  return share;
}

// Of an attention rank; all the cache that there is room for where no number of tokens is given.
absl::StatusOr<GpuShare> AttentionShare(const ModelConfig& config, const Rank& rank,
                                        const MemoryNeeds& needs, std::int64_t memory_bytes,
                                        std::optional<std::int64_t> cached_tokens) {
  GpuShare share = ExpertShare(config, rank, needs);
  ASSIGN_OR_RETURN(const MemoryPlan plan,
                   PlanMemory(config, {.budget_bytes = memory_bytes,
                                       .reserve_bytes = needs.reserve_bytes,
                                       .routed_expert_bytes = share.expert_weight_bytes,
                                       .expert_workspace_bytes = share.workspace_bytes,
                                       .max_batch_tokens = needs.step_rows,
                                       .max_sequences = needs.sequences,
                                       .block_tokens = kBlockTokens,
                                       .cache_tokens = cached_tokens}));
  share.attention_weight_bytes = DeviceWeights::Bytes(config).total();
  share.cached_tokens = plan.cached_tokens;
  share.cache_bytes =
      plan.cached_tokens * config.num_hidden_layers * config.cache_row_dim() * kBf16Bytes;
  share.workspace_bytes = plan.TotalBytes() - share.attention_weight_bytes -
                          share.expert_weight_bytes - share.reserve_bytes - share.cache_bytes;
  return share;
}

}  // namespace

absl::StatusOr<GpuShare> ShareFor(const ModelConfig& config, const Rank& rank,
                                  const MemoryNeeds& needs, std::int64_t cached_tokens) {
  if (!rank.attention) return ExpertShare(config, rank, needs);
  return AttentionShare(config, rank, needs, kUnlimitedBytes, cached_tokens);
}

absl::StatusOr<GpuShare> LargestShare(const ModelConfig& config, const Rank& rank,
                                      const MemoryNeeds& needs, std::int64_t memory_bytes) {
  if (rank.attention) return AttentionShare(config, rank, needs, memory_bytes, std::nullopt);
  const GpuShare share = ExpertShare(config, rank, needs);
  if (share.total_bytes() <= memory_bytes) return share;
  return absl::ResourceExhaustedError(
      absl::StrCat(share.total_bytes() - memory_bytes, " bytes are missing"));
}

std::int64_t WholeBlocks(std::int64_t tokens) {
  return (tokens + kBlockTokens - 1) / kBlockTokens * kBlockTokens;
}

}  // namespace sextant::cli
