#include "cli/exchange/exchange_report.h"

#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace sextant::cli {
namespace {

std::string RanksText(const BenchedExchange& benched) {
  std::string text =
      absl::StrCat(benched.ranks.ranks, benched.ranks.ranks == 1 ? " rank" : " ranks");
  if (benched.ranks.apart) {
    absl::StrAppend(&text, ", ", benched.ranks.attention, " for attention and ",
                    benched.ranks.ranks - benched.ranks.attention, " for experts");
  } else {
    absl::StrAppend(&text, ", each for attention and experts");
  }
  std::map<std::string, int> counts;
  for (const std::string& gpu : benched.gpus) ++counts[gpu];
  absl::StrAppend(&text, "; on ",
                  absl::StrJoin(counts, ", ", [&](std::string* out, const auto& named) {
                    if (!benched.share_gpus) absl::StrAppend(out, named.second, " x ");
                    absl::StrAppend(out, named.first);
                  }));
  absl::StrAppend(&text, "\n");
  if (benched.share_gpus) {
    absl::StrAppend(&text,
                    "ranks share a GPU: messages between them go over sockets of this host, and "
                    "these times\nare no GPU's links'\n");
  }
  return text;
}

std::string TimeText(const Spread& spread) {
  return absl::StrFormat("%9.1f /%9.1f", spread.p50 * 1e6, spread.p95 * 1e6);
}

std::string LineOf(const CaseSummary& of) {
  const WaySummary& ours = of.way(Way::kExchange);
  std::string line =
      absl::StrFormat("%-14s", NameOf(of.of)) + TimeText(ours.dispatch) + TimeText(ours.combine) +
      TimeText(ours.layer) +
      absl::StrFormat(" %9.3f %8.2f",
                      static_cast<double>(of.dispatch_bytes + of.combine_bytes) * 1e-6,
                      of.bytes_per_s(Way::kExchange) * 1e-9);
  for (const Way other : {Way::kPlain, Way::kAllToAll}) {
    absl::StrAppendFormat(&line, " %11.1f %5.0f%%", of.way(other).layer.p50 * 1e6,
                          100 * of.share(other));
  }
  return line + "\n";
}

nlohmann::json ToJson(const Spread& spread) {
  return {{"p50_s", spread.p50}, {"p95_s", spread.p95}};
}

nlohmann::json ToJson(const CaseSummary& of, Way which) {
  const WaySummary& way = of.way(which);
  return {{"dispatch", ToJson(way.dispatch)},
          {"combine", ToJson(way.combine)},
          {"layer", ToJson(way.layer)},
          {"bytes_per_s", of.bytes_per_s(which)}};
}

nlohmann::json ToJson(const CaseSummary& of) {
  const bool slots = of.of.form == RankStepForm::kSlots;
  return {{"phase", slots ? "decode" : "prefill"},
          {"rows", of.of.rows},
          {"dispatch_bytes", of.dispatch_bytes},
          {"combine_bytes", of.combine_bytes},
          {"exchange", ToJson(of, Way::kExchange)},
          {"send_recv", ToJson(of, Way::kPlain)},
          {"all_to_all", ToJson(of, Way::kAllToAll)},
          {"share_of_send_recv", of.share(Way::kPlain)},
          {"share_of_all_to_all", of.share(Way::kAllToAll)}};
}

}  // namespace

std::string ExchangeAsText(const BenchedExchange& benched) {
  const ModelConfig& model = benched.model;
  std::string text = absl::StrFormat(
      "%s: rows of %d values, %d of %d experts each; the experts themselves are left out\n%s"
      "decode R: R rows of each rank that attends, in slots, as a graph; prefill R: exact\n"
      "us of a layer at the slowest rank, median / p95 of %d rounds; MB of the busiest rank, out "
      "and back;\nshare: of what plain messages of the same bytes would give\n\n"
      "                        dispatch             combine               layer"
      "        MB     GB/s   send/recv share  all-to-all share\n",
      benched.model_dir, model.hidden_size, model.num_experts_per_tok, model.n_routed_experts,
      RanksText(benched), benched.rounds);
  for (const CaseSummary& of : benched.cases) text += LineOf(of);
  return text;
}

std::string ExchangeAsJson(const BenchedExchange& benched) {
  nlohmann::json cases = nlohmann::json::array();
  for (const CaseSummary& of : benched.cases) cases.push_back(ToJson(of));
  const nlohmann::json object = {
      {"model", benched.model_dir},
      {"ranks", benched.ranks.ranks},
      {"form", benched.ranks.apart ? "apart" : "colocated"},
      {"attention_ranks", benched.ranks.apart ? benched.ranks.attention : benched.ranks.ranks},
      {"gpus", benched.gpus},
      {"share_gpus", benched.share_gpus},
      {"layers", benched.layers},
      {"rounds", benched.rounds},
      {"cases", std::move(cases)}};
  return object.dump(2) + "\n";
}

}  // namespace sextant::cli
