#include "cli/plan/fit.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/engine/cache_limits.h"
#include "common/base/status.h"

namespace sextant::cli {
namespace {

std::int64_t LargestBatch(const PlanRequest& request) {
  return *std::max_element(request.batches.begin(), request.batches.end());
}

// What a rank has to have room for when sequences are dealt to the attention ranks of `cluster`.
MemoryNeeds NeedsOf(const PlanRequest& request, const Cluster& cluster) {
  const std::vector<std::int64_t> dealt = DealSequences(cluster, LargestBatch(request));
  const std::int64_t sequences = *std::max_element(dealt.begin(), dealt.end());
  const std::int64_t rows = std::max(sequences, request.prompt);
  return {.reserve_bytes = request.reserve_bytes,
          .step_rows = rows,
          .sequences = sequences,
          .cluster_rows = rows * cluster.AttentionRanks()};
}

// Tokens that a rank with so many sequences keeps.
std::int64_t TokensOf(const PlanRequest& request, std::int64_t sequences) {
  return std::max(sequences * WholeBlocks(request.context), WholeBlocks(request.prompt));
}

std::string Gb(std::int64_t bytes) {
  return absl::StrFormat("%.2f GB", static_cast<double>(bytes) * 1e-9);
}

// Whether every rank of `cluster` has room for its weights, workspaces and the tokens of one step.
bool HoldsWeights(const PlanRequest& request, const Cluster& cluster) {
  const MemoryNeeds needs = NeedsOf(request, cluster);
  return std::all_of(cluster.ranks.begin(), cluster.ranks.end(), [&](const Rank& rank) {
    const absl::StatusOr<GpuShare> share = ShareFor(request.model, rank, needs, needs.step_rows);
    return share.ok() && share->total_bytes() <= cluster.card.memory_bytes;
  });
}

// The same form with the fewest GPUs more that hold the weights; a cluster without ranks where no
// number does.
Cluster GrownToHoldWeights(const PlanRequest& request) {
  Cluster grown = request.cluster;
  const bool apart = grown.form == Form::kApart;
  if (!apart) grown.form = Form::kColocated;
  const auto gpus = static_cast<std::int64_t>(grown.ranks.size());
  const std::int64_t attention = grown.AttentionRanks();
  const std::int64_t most = request.model.n_routed_experts + (apart ? attention : 0);
  for (std::int64_t count = gpus + 1; count <= most; ++count) {
    grown.ranks = MakeRanks({.form = grown.form,
                             .gpus = count,
                             .gpus_per_node = grown.gpus_per_node,
                             .attention = attention,
                             .experts = request.model.n_routed_experts});
    if (HoldsWeights(request, grown)) return grown;
  }
  grown.ranks.clear();
  return grown;
}

std::string WhatHoldsWeights(const PlanRequest& request) {
  const Cluster grown = GrownToHoldWeights(request);
  if (grown.ranks.empty()) {
    return "no number of such GPUs helps: take cards with more memory, or a smaller --batch or "
           "--prompt";
  }
  if (grown.form == Form::kApart) {
    const auto gpus = static_cast<std::int64_t>(grown.ranks.size());
    return absl::StrCat("--experts ", gpus - grown.AttentionRanks(),
                        " would hold them, or cards with more memory");
  }
  return absl::StrCat("--gpus ", grown.ranks.size(),
                      " --form colocated would hold them, or cards with more memory");
}

absl::Status WeightsDoNotFit(const PlanRequest& request, std::size_t gpu, const GpuShare& share) {
  const std::int64_t memory = request.cluster.card.memory_bytes;
  return absl::ResourceExhaustedError(absl::StrCat(
      "GPU ", gpu, " lacks ", share.total_bytes() - memory, " bytes: attention half ",
      Gb(share.attention_weight_bytes), ", experts ", Gb(share.expert_weight_bytes),
      ", workspaces ", Gb(share.workspace_bytes), " and reserve ", Gb(share.reserve_bytes), " in ",
      Gb(memory), " of memory; ", WhatHoldsWeights(request)));
}

// What would fit instead where a rank has room for `cached_tokens`.
std::string WhatFitsCache(const PlanRequest& request, std::int64_t sequences,
                          std::int64_t cached_tokens) {
  const std::int64_t each = cached_tokens / WholeBlocks(request.context);
  const std::int64_t context = cached_tokens / sequences / kBlockTokens * kBlockTokens;
  std::string text;
  if (each > 0) absl::StrAppend(&text, "--batch ", each * request.cluster.AttentionRanks(), ", ");
  if (context > 0) absl::StrAppend(&text, "--context ", context, ", ");
  return absl::StrCat(text, text.empty() ? "" : "or ", "more or larger GPUs would fit");
}

absl::Status CacheDoesNotFit(const PlanRequest& request, std::size_t gpu, std::int64_t sequences,
                             const GpuShare& wanted, std::int64_t cached_tokens) {
  return absl::ResourceExhaustedError(
      absl::StrCat("GPU ", gpu, " lacks ", wanted.total_bytes() - request.cluster.card.memory_bytes,
                   " bytes for the cache of ", sequences, " sequences of ", request.context,
                   " tokens and of a prompt of ", request.prompt, ": it has room for ",
                   cached_tokens, " of ", wanted.cached_tokens, " tokens; ",
                   WhatFitsCache(request, std::max<std::int64_t>(sequences, 1), cached_tokens)));
}

// What lies on one rank, whose share of the largest batch are so many sequences.
absl::StatusOr<GpuShare> FitRank(const PlanRequest& request, const MemoryNeeds& needs,
                                 std::size_t gpu, std::int64_t sequences) {
  const Rank& rank = request.cluster.ranks[gpu];
  const std::int64_t memory = request.cluster.card.memory_bytes;
  ASSIGN_OR_RETURN(const GpuShare least, ShareFor(request.model, rank, needs, needs.step_rows));
  if (least.total_bytes() > memory) return WeightsDoNotFit(request, gpu, least);
  ASSIGN_OR_RETURN(const GpuShare wanted,
                   ShareFor(request.model, rank, needs, TokensOf(request, sequences)));
  // A cache that is as large as can be has somewhat larger workspaces as well.
  const absl::StatusOr<GpuShare> found = LargestShare(request.model, rank, needs, memory);
  const GpuShare& largest = found.ok() ? *found : least;
  if (wanted.total_bytes() > memory) {
    return CacheDoesNotFit(request, gpu, sequences, wanted, largest.cached_tokens);
  }
  return largest.cached_tokens < wanted.cached_tokens ? wanted : largest;
}

}  // namespace

std::vector<std::int64_t> DealSequences(const Cluster& cluster, std::int64_t sequences) {
  const std::int64_t ranks = cluster.AttentionRanks();
  std::int64_t extra = sequences % ranks;
  std::vector<std::int64_t> dealt;
  for (const Rank& rank : cluster.ranks) {
    dealt.push_back(rank.attention ? sequences / ranks + (extra > 0 ? 1 : 0) : 0);
    if (rank.attention && extra > 0) --extra;
  }
  return dealt;
}

absl::StatusOr<std::vector<GpuShare>> FitCluster(const PlanRequest& request) {
  const Cluster& cluster = request.cluster;
  const MemoryNeeds needs = NeedsOf(request, cluster);
  const std::vector<std::int64_t> sequences = DealSequences(cluster, LargestBatch(request));
  std::vector<GpuShare> shares;
  for (std::size_t gpu = 0; gpu < cluster.ranks.size(); ++gpu) {
    ASSIGN_OR_RETURN(GpuShare share, FitRank(request, needs, gpu, sequences[gpu]));
    shares.push_back(share);
  }
  return shares;
}

}  // namespace sextant::cli
