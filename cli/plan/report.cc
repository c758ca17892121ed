#include "cli/plan/report.h"

#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/step_cost.h"
#include "nlohmann/json.hpp"

namespace sextant::cli {
namespace {

double Gib(std::int64_t bytes) {
  return static_cast<double>(bytes) / static_cast<double>(std::int64_t{1} << 30);
}

std::string Head(const PlanRequest& request) {
  const ModelConfig& model = request.model;
  const Cluster& cluster = request.cluster;
  std::string text = absl::StrFormat(
      "%s: %d layers, %d of %d experts a token, %.2fB parameters in bf16\n"
      "%d x %s: %.4g GiB, reads %.4g GB/s, bf16 %.4g TFLOP/s; %s",
      request.model_name, model.num_hidden_layers, model.num_experts_per_tok,
      model.n_routed_experts, static_cast<double>(ParameterCount(model)) * 1e-9,
      cluster.ranks.size(), cluster.card.name, Gib(cluster.card.memory_bytes),
      cluster.card.read_bytes_per_s * 1e-9, cluster.card.product_flops_per_s * 1e-12,
      Name(cluster.form));
  if (cluster.ranks.size() > 1) {
    absl::StrAppend(&text,
                    absl::StrFormat(", link %.4g GB/s", cluster.card.link_bytes_per_s * 1e-9));
    if (cluster.ranks.back().node > 0) {
      absl::StrAppend(&text,
                      absl::StrFormat(", network %.4g GB/s for each of %d GPUs a node",
                                      cluster.network_bytes_per_s * 1e-9, cluster.gpus_per_node));
    }
    absl::StrAppend(&text, absl::StrFormat(", hop %.4g us", cluster.hop_s * 1e6));
  }
  return text + "\n";
}

std::string RoleOf(const Rank& rank) {
  std::string role = rank.attention ? "attention" : "";
  if (rank.experts > 0) {
    absl::StrAppend(&role, role.empty() ? "" : ", ", rank.experts, " experts");
  }
  return role;
}

std::string GpuTable(const PlanRequest& request, const Plan& plan) {
  std::string text =
      "GiB                             attention  experts  workspaces  reserve   cache"
      "   cached tokens\n";
  const std::vector<Rank>& ranks = request.cluster.ranks;
  for (std::size_t first = 0; first < ranks.size();) {
    std::size_t end = first + 1;
    const std::string role = RoleOf(ranks[first]);
    while (end < ranks.size() && RoleOf(ranks[end]) == role &&
           plan.gpus[end].cached_tokens == plan.gpus[first].cached_tokens) {
      ++end;
    }
    const std::string which =
        end == first + 1 ? absl::StrCat("GPU ", first) : absl::StrCat("GPU ", first, "-", end - 1);
    const GpuShare& gpu = plan.gpus[first];
    absl::StrAppendFormat(&text, "%-10s %-21s %8.2f %8.2f %11.2f %8.2f %7.2f %15d\n", which, role,
                          Gib(gpu.attention_weight_bytes), Gib(gpu.expert_weight_bytes),
                          Gib(gpu.workspace_bytes), Gib(gpu.reserve_bytes), Gib(gpu.cache_bytes),
                          gpu.cached_tokens);
    first = end;
  }
  if (ranks.size() > 1) absl::StrAppendFormat(&text, "%-78s %15d\n", "in all", plan.cached_tokens);
  return text;
}

std::string StepName(const PlannedStep& step) {
  if (step.decode) return absl::StrCat("decode, batch ", step.sequences);
  if (step.sequences == 1) return absl::StrCat("prefill ", step.tokens);
  return absl::StrCat("prefill ", step.sequences, " x ", step.tokens);
}

std::string StepLine(const PlannedStep& step) {
  const FloorParts& floor = step.floor;
  const double percent = 100 / floor.total_s();
  return absl::StrFormat(
      "%-19s %8.3f %7.0f%% %5.0f%% %7.0f%% %7.0f%% %4.0f%%  %-8s %9.3f %9.0f %10.1f\n",
      StepName(step), floor.total_s() * 1e3, floor.weights_s * percent, floor.cache_s * percent,
      floor.products_s * percent, floor.exchange_s * percent, floor.hops_s * percent,
      floor.BoundBy(), step.expected_s * 1e3, step.tokens_per_s, step.tokens_per_s_of_each());
}

nlohmann::ordered_json GpuJson(const Rank& rank, const GpuShare& gpu) {
  return {{"node", rank.node},
          {"attention", rank.attention},
          {"experts", rank.experts},
          {"attention_weight_bytes", gpu.attention_weight_bytes},
          {"expert_weight_bytes", gpu.expert_weight_bytes},
          {"workspace_bytes", gpu.workspace_bytes},
          {"reserve_bytes", gpu.reserve_bytes},
          {"cache_bytes", gpu.cache_bytes},
          {"cached_tokens", gpu.cached_tokens}};
}

nlohmann::ordered_json StepJson(const PlannedStep& step) {
  return {{"phase", step.decode ? "decode" : "prefill"},
          {"sequences", step.sequences},
          {step.decode ? "context_tokens" : "prompt_tokens", step.tokens},
          {"floor_s", step.floor.total_s()},
          {"weights_s", step.floor.weights_s},
          {"cache_s", step.floor.cache_s},
          {"products_s", step.floor.products_s},
          {"exchange_s", step.floor.exchange_s},
          {"hops_s", step.floor.hops_s},
          {"bound_by", step.floor.BoundBy()},
          {"expected_s", step.expected_s},
          {"tokens_per_s", step.tokens_per_s},
          {"tokens_per_s_of_each", step.tokens_per_s_of_each()}};
}

}  // namespace

std::string PlanAsText(const PlanRequest& request, const Plan& plan) {
  std::string text = absl::StrCat(Head(request), "\n", GpuTable(request, plan), "\n");
  absl::StrAppendFormat(
      &text,
      "Steps at %d tokens of context, in ms; routing uniform, expected at %.4g%% of the floor's "
      "speed\n"
      "                       floor  weights  cache  products exchange hops  bound by"
      "  expected  tokens/s       each\n",
      request.context, 100 * request.efficiency);
  for (const PlannedStep& step : plan.steps) text += StepLine(step);
  return text;
}

std::string PlanAsJson(const PlanRequest& request, const Plan& plan) {
  const ModelConfig& model = request.model;
  const Cluster& cluster = request.cluster;
  nlohmann::ordered_json gpus = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < plan.gpus.size(); ++i) {
    gpus.push_back(GpuJson(cluster.ranks[i], plan.gpus[i]));
  }
  nlohmann::ordered_json steps = nlohmann::ordered_json::array();
  for (const PlannedStep& step : plan.steps) steps.push_back(StepJson(step));
  const nlohmann::ordered_json object = {
      {"model",
       {{"name", request.model_name},
        {"layers", model.num_hidden_layers},
        {"experts", model.n_routed_experts},
        {"experts_per_token", model.num_experts_per_tok},
        {"parameters", ParameterCount(model)},
        {"dtype", "bf16"}}},
      {"card",
       {{"name", cluster.card.name},
        {"memory_bytes", cluster.card.memory_bytes},
        {"read_bytes_per_s", cluster.card.read_bytes_per_s},
        {"product_flops_per_s", cluster.card.product_flops_per_s},
        {"link_bytes_per_s", cluster.card.link_bytes_per_s}}},
      {"cluster",
       {{"form", Name(cluster.form)},
        {"gpus_per_node", cluster.gpus_per_node},
        {"network_bytes_per_s", cluster.network_bytes_per_s},
        {"hop_s", cluster.hop_s}}},
      {"routing", "uniform"},
      {"efficiency", request.efficiency},
      {"gpus", std::move(gpus)},
      {"cached_tokens", plan.cached_tokens},
      {"steps", std::move(steps)}};
  return object.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace sextant::cli
