#include "cli/plan/plan.h"

#include <algorithm>

#include "cli/plan/fit.h"
#include "common/base/status.h"

namespace sextant::cli {
namespace {

// Rows of a decode step, of each rank.
std::vector<StepRows> DecodeRows(const PlanRequest& request, std::int64_t batch) {
  const std::vector<std::int64_t> sequences = DealSequences(request.cluster, batch);
  std::vector<StepRows> rows;
  for (const std::int64_t own : sequences) {
    rows.push_back({.decode = own, .context = request.context, .logits = own});
  }
  return rows;
}

// One prompt on each of the first `prompts` attention ranks.
std::vector<StepRows> PromptRowsOf(const PlanRequest& request, std::int64_t prompts) {
  const std::vector<std::int64_t> sequences = DealSequences(request.cluster, prompts);
  std::vector<StepRows> rows;
  for (const std::int64_t own : sequences) {
    rows.push_back({.prompt = own * request.prompt, .logits = own});
  }
  return rows;
}

PlannedStep Planned(const PlanRequest& request, bool decode, std::int64_t sequences) {
  PlannedStep step = {.decode = decode,
                      .sequences = sequences,
                      .tokens = decode ? request.context : request.prompt};
  step.floor =
      FloorOfStep(request.model, request.cluster,
                  decode ? DecodeRows(request, sequences) : PromptRowsOf(request, sequences));
  step.expected_s = step.floor.total_s() / request.efficiency;
  const std::int64_t tokens = decode ? sequences : sequences * request.prompt;
  step.tokens_per_s = static_cast<double>(tokens) / step.expected_s;
  return step;
}

}  // namespace

absl::StatusOr<Plan> MakePlan(const PlanRequest& request) {
  Plan plan;
  ASSIGN_OR_RETURN(plan.gpus, FitCluster(request));
  for (const GpuShare& gpu : plan.gpus) plan.cached_tokens += gpu.cached_tokens;
  for (const std::int64_t batch : request.batches) {
    plan.steps.push_back(Planned(request, /*decode=*/true, batch));
  }
  if (request.prompt > 0) {
    plan.steps.push_back(Planned(request, /*decode=*/false, 1));
    const std::int64_t attention = request.cluster.AttentionRanks();
    if (attention > 1) plan.steps.push_back(Planned(request, /*decode=*/false, attention));
  }
  return plan;
}

}  // namespace sextant::cli
