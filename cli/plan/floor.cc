#include "cli/plan/floor.h"

#include <algorithm>
#include <array>
#include <utility>

#include "cli/plan/exchange_time.h"
#include "cli/plan/routing.h"
#include "common/base/check.h"

namespace sextant::cli {
namespace {

constexpr std::int64_t kBf16Bytes = 2;

FloorParts operator+(FloorParts a, const FloorParts& b) { return a += b; }

const FloorParts& Longer(const FloorParts& a, const FloorParts& b) {
  return a.total_s() < b.total_s() ? b : a;
}

FloorParts FloorOf(const OperatorCost& cost, const Card& card) {
  const double reads_s = cost.bytes / card.read_bytes_per_s;
  const double products_s = cost.flops / card.product_flops_per_s;
  if (products_s > reads_s) return {.products_s = products_s};
  const double cache_s = cost.cache_bytes / card.read_bytes_per_s;
  return {.weights_s = reads_s - cache_s, .cache_s = cache_s};
}

// One MoE layer from its gate to the sum of what its experts gave.
FloorParts FloorOfExperts(const ModelConfig& config, const Cluster& cluster,
                          const std::vector<double>& rows, std::int64_t layer,
                          const FloorParts& shared) {
  const Routing routing = {.experts = config.n_routed_experts,
                           .chosen = config.num_experts_per_tok};
  double all_rows = 0;
  for (const double of_rank : rows) all_rows += of_rank;
  const std::int64_t held = cluster.MostExperts();
  const ExpertLoad load = {.rows = all_rows * static_cast<double>(routing.chosen * held) /
                                   static_cast<double>(routing.experts),
                           .experts = ExpectedExperts(routing, held, all_rows)};
  const FloorParts experts = FloorOf(CostOfExperts(config, layer, load, kBf16Bytes), cluster.card);
  if (cluster.form == Form::kOne) return shared + experts;

  const ExchangeTime exchange = TimeOfExchange(config, cluster, rows);
  const FloorParts out = {.exchange_s = exchange.out_s, .hops_s = cluster.hop_s};
  const FloorParts back = {.exchange_s = exchange.back_s, .hops_s = cluster.hop_s};
  if (cluster.form == Form::kColocated) return Longer(shared, out) + experts + back;
  return Longer(shared, out + experts + back);
}

}  // namespace

double FloorParts::total_s() const {
  return weights_s + cache_s + products_s + exchange_s + hops_s;
}

std::string FloorParts::BoundBy() const {
  const std::array<std::pair<double, const char*>, 5> parts = {{{weights_s, "weights"},
                                                                {cache_s, "cache"},
                                                                {products_s, "products"},
                                                                {exchange_s, "exchange"},
                                                                {hops_s, "hops"}}};
  const auto by_time = [](const auto& a, const auto& b) { return a.first < b.first; };
  return std::max_element(parts.begin(), parts.end(), by_time)->second;
}

FloorParts& FloorParts::operator+=(const FloorParts& other) {
  weights_s += other.weights_s;
  cache_s += other.cache_s;
  products_s += other.products_s;
  exchange_s += other.exchange_s;
  hops_s += other.hops_s;
  return *this;
}

FloorParts FloorOfStep(const ModelConfig& config, const Cluster& cluster,
                       const std::vector<StepRows>& rows) {
  CHECK_EQ(rows.size(), cluster.ranks.size());
  const auto fewer = [](const StepRows& a, const StepRows& b) {
    return a.prompt + a.decode < b.prompt + b.decode;
  };
  const StepRows& most = *std::max_element(rows.begin(), rows.end(), fewer);
  std::vector<double> all_rows;
  std::vector<double> logit_rows;  // the last layer goes on with these alone
  for (const StepRows& of_rank : rows) {
    all_rows.push_back(static_cast<double>(of_rank.prompt + of_rank.decode));
    logit_rows.push_back(static_cast<double>(of_rank.logits));
  }
  FloorParts floor;
  // Every MoE layer has shared experts in this list, of no size where the model has none.
  for (const OperatorCost& cost : CostOfStep(config, most, {}, kBf16Bytes).operators) {
    const FloorParts own = FloorOf(cost, cluster.card);
    const bool last = cost.layer + 1 == config.num_hidden_layers;
    floor += cost.part == Part::kShared
                 ? FloorOfExperts(config, cluster, last ? logit_rows : all_rows, cost.layer, own)
                 : own;
  }
  return floor;
}

}  // namespace sextant::cli
