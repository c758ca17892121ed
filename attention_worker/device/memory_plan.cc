#include "attention_worker/device/memory_plan.h"

#include <algorithm>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "attention_worker/device/device_weights.h"
#include "common/base/status.h"
#include "kernels/cuda/launch.h"

namespace sextant {
namespace {

constexpr absl::string_view kLatentCacheRegion = "latent cache";
constexpr double kMiB = 1024.0 * 1024.0;
constexpr double kGiB = 1024.0 * kMiB;

std::string SizeText(std::int64_t bytes) {
  const auto size = static_cast<double>(bytes);
  if (size >= kGiB) return absl::StrFormat("%.2f GiB", size / kGiB);
  return absl::StrFormat("%.1f MiB", size / kMiB);
}

std::int64_t BlockBytes(const ModelConfig& config, std::int64_t block_tokens) {
  return config.num_hidden_layers * config.cache_row_dim() * block_tokens *
         static_cast<std::int64_t>(sizeof(Bf16));
}

// MlaDecodeCuda and its like take fewer than 2^31 values of one layer.
std::int64_t MostBlocks(const ModelConfig& config, std::int64_t block_tokens) {
  return std::numeric_limits<std::int32_t>::max() / (config.cache_row_dim() * block_tokens);
}

absl::Status CheckInput(const ModelConfig& config, const MemoryPlanInput& input) {
  if (input.budget_bytes < 1 || input.reserve_bytes < 0 || input.routed_expert_bytes < 0 ||
      input.expert_workspace_bytes < 0 || input.max_batch_tokens < 1 || input.max_sequences < 1 ||
      input.block_tokens < 1 || input.cache_tokens.value_or(1) < 1) {
    return absl::InvalidArgumentError("device memory: every size of the plan must be positive");
  }
  const std::int64_t most = MostBlocks(config, input.block_tokens);
  if (most < 1 || DivideUp(input.cache_tokens.value_or(1), input.block_tokens) > most) {
    return absl::InvalidArgumentError(
        absl::StrCat("device memory: a cache of ", input.cache_tokens.value_or(input.block_tokens),
                     " tokens; kernels count to ", most * input.block_tokens));
  }
  return absl::OkStatus();
}

std::vector<MemoryRegion> ListRegions(const DeviceWeightBytes& weights, const StepLayout& step,
                                      const MemoryPlanInput& input, std::int64_t cache_bytes) {
  return {{"embedding", weights.embedding},
          {"attention", weights.attention},
          {"dense feed-forward", weights.dense},
          {"shared experts", weights.shared_experts},
          {"routed experts", input.routed_expert_bytes},
          {"head", weights.head},
          {"norms and gates", weights.norms_and_gates},
          {"activations of a step", step.activation_bytes},
          {"attention workspaces", step.attention_bytes},
          {"expert workspaces", input.expert_workspace_bytes},
          {"sampling workspaces", step.sampling_bytes},
          {"step inputs", step.input_bytes},
          {kLatentCacheRegion, cache_bytes},
          {"reserve", input.reserve_bytes}};
}

std::int64_t SumOf(const std::vector<MemoryRegion>& regions) {
  std::int64_t sum = 0;
  for (const MemoryRegion& region : regions) sum += region.bytes;
  return sum;
}

// `free_bytes`, beside everything but the cache, are too few for `needed_blocks`; `beside_step` are
// taken by what no setting makes smaller.
absl::Status Shortage(const ModelConfig& config, const MemoryPlanInput& input,
                      std::int64_t beside_step, std::int64_t free_bytes,
                      std::int64_t needed_blocks) {
  const std::int64_t block_bytes = BlockBytes(config, input.block_tokens);
  const std::int64_t missing = needed_blocks * block_bytes - free_bytes;
  std::string message =
      absl::StrCat("device memory: of ", SizeText(input.budget_bytes), ", ", SizeText(missing),
                   " (", missing, " bytes) are missing for weights, workspaces and a cache of ",
                   needed_blocks * input.block_tokens, " tokens; ");
  if (const std::int64_t blocks = free_bytes / block_bytes; free_bytes > 0 && blocks > 0) {
    absl::StrAppend(&message, "ask for ", blocks * input.block_tokens,
                    " cached tokens or fewer (--cache-tokens), or ");
  } else if (beside_step < input.budget_bytes) {
    absl::StrAppend(&message, "use a smaller max_batch_tokens or max_sequences, or ");
  } else {
    absl::StrAppend(&message, "weights and reserve alone take ", SizeText(beside_step), ": ");
  }
  absl::StrAppend(&message, "give more memory (--device-memory, a larger GPU)");
  return absl::ResourceExhaustedError(message);
}

}  // namespace

std::int64_t MemoryPlan::TotalBytes() const { return SumOf(regions); }

absl::StatusOr<MemoryPlan> PlanMemory(const ModelConfig& config, const MemoryPlanInput& input) {
  RETURN_IF_ERROR(CheckInput(config, input));
  const DeviceWeightBytes weights = DeviceWeights::Bytes(config);
  const std::int64_t block_bytes = BlockBytes(config, input.block_tokens);
  const std::int64_t beside_step = weights.total() + input.routed_expert_bytes +
                                   input.expert_workspace_bytes + input.reserve_bytes;
  const auto step_with = [&](std::int64_t blocks) {
    return LargestStep(config, {.max_batch_tokens = input.max_batch_tokens,
                                .max_sequences = input.max_sequences,
                                .block_tokens = input.block_tokens,
                                .cache_tokens = blocks * input.block_tokens});
  };
  const auto free_beside = [&](const StepSizes& step) {
    return input.budget_bytes - beside_step - LayOutStep(config, step, nullptr).bytes();
  };

  const std::int64_t needed_blocks =
      DivideUp(input.cache_tokens.value_or(input.max_batch_tokens), input.block_tokens);
  StepSizes step = step_with(needed_blocks);
  std::int64_t blocks = needed_blocks;
  if (const std::int64_t free_bytes = free_beside(step); free_bytes < needed_blocks * block_bytes) {
    return Shortage(config, input, beside_step, free_bytes, needed_blocks);
  } else if (!input.cache_tokens.has_value()) {
    // A larger cache has longer contexts, which need larger workspaces, which leave a smaller
    // cache: they are made for one that is larger than what they leave.
    const std::int64_t most =
        std::min(free_bytes / block_bytes, MostBlocks(config, input.block_tokens));
    const StepSizes larger = step_with(most);
    const std::int64_t left = std::min(free_beside(larger) / block_bytes, most);
    if (left > needed_blocks) {
      step = larger;
      blocks = left;
    }
  }
  const StepLayout layout = LayOutStep(config, step, nullptr);
  return MemoryPlan{.regions = ListRegions(weights, layout, input, blocks * block_bytes),
                    .budget_bytes = input.budget_bytes,
                    .step = step,
                    .num_blocks = static_cast<std::int32_t>(blocks),
                    .cached_tokens = blocks * input.block_tokens};
}

std::string FormatTable(const MemoryPlan& plan) {
  const auto budget = static_cast<double>(plan.budget_bytes);
  const auto line = [budget](absl::string_view name, std::int64_t bytes) {
    return absl::StrFormat("%-22s %12s %6.1f%%", name, SizeText(bytes),
                           100.0 * static_cast<double>(bytes) / budget);
  };
  std::string table;
  for (const MemoryRegion& region : plan.regions) {
    if (region.bytes == 0) continue;
    absl::StrAppend(&table, line(region.name, region.bytes));
    if (region.name == kLatentCacheRegion) {
      absl::StrAppend(&table, "  ", plan.cached_tokens, " tokens");
    }
    absl::StrAppend(&table, "\n");
  }
  absl::StrAppend(&table, line("all", plan.TotalBytes()), "  of ", SizeText(plan.budget_bytes),
                  "\n");
  return table;
}

}  // namespace sextant
