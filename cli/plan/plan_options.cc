#include "cli/plan/plan_options.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "cli/plan/rates.h"
#include "common/base/status.h"
#include "common/config/byte_size.h"
#include "common/config/json_fields.h"

namespace sextant::cli {
namespace {

constexpr IntRange kGpus = {.min = 1, .max = 1024};
constexpr IntRange kBatch = {.min = 1, .max = 1 << 20};

absl::Status CheckRange(const char* flag, std::int64_t value, const IntRange& range) {
  if (value >= range.min && value <= range.max) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(flag, " ", value, ": give a number from ", range.min, " to ", range.max));
}

absl::Status Missing(const char* flag) {
  return absl::InvalidArgumentError(
      absl::StrCat(flag, " is missing: give it, or a card that has it by --card"));
}

// `value` is what the flag says, if it was given.
template <typename T, typename Parse>
absl::Status ReadGiven(const std::optional<std::string>& given, const char* flag, Parse parse,
                       T& value) {
  if (!given.has_value()) return absl::OkStatus();
  const absl::StatusOr<T> parsed = parse(*given);
  if (!parsed.ok()) return AddContext(parsed.status(), flag);
  value = *parsed;
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> ParseMemory(absl::string_view text) {
  ASSIGN_OR_RETURN(const std::int64_t bytes, ParseByteSize(text));
  if (bytes > 0) return bytes;
  return absl::InvalidArgumentError(absl::StrCat("\"", text, "\": give a size above 0"));
}

absl::StatusOr<double> ParseLatency(const std::string& text) {
  absl::Duration latency;
  if (!absl::ParseDuration(text, &latency) || latency < absl::ZeroDuration() ||
      latency > absl::Seconds(1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\": give a time from 0 to 1s, for example 10us"));
  }
  return absl::ToDoubleSeconds(latency);
}

absl::StatusOr<Card> ReadCard(const PlanOptions& options) {
  Card card = {.name = "custom"};
  if (options.card.has_value()) {
    absl::StatusOr<Card> known = FindCard(*options.card);
    if (!known.ok()) return AddContext(known.status(), "--card");
    card = *std::move(known);
  }
  if (options.measured.has_value()) {
    const double link = card.link_bytes_per_s;  // which nobody measures here
    card = *options.measured;
    card.link_bytes_per_s = link;
  }
  RETURN_IF_ERROR(ReadGiven(options.memory, "--memory", ParseMemory, card.memory_bytes));
  RETURN_IF_ERROR(
      ReadGiven(options.bandwidth, "--bandwidth", ParseBytesPerSecond, card.read_bytes_per_s));
  RETURN_IF_ERROR(
      ReadGiven(options.compute, "--compute", ParseFlopsPerSecond, card.product_flops_per_s));
  RETURN_IF_ERROR(
      ReadGiven(options.nvlink, "--nvlink", ParseBytesPerSecond, card.link_bytes_per_s));
  if (card.memory_bytes == 0) return Missing("--memory");
  if (card.read_bytes_per_s == 0) return Missing("--bandwidth");
  if (card.product_flops_per_s == 0) return Missing("--compute");
  return card;
}

absl::StatusOr<Form> ReadForm(const PlanOptions& options) {
  const bool counted = options.attention.has_value() || options.experts.has_value();
  if (!options.form.has_value()) {
    if (counted) return Form::kApart;
    return options.gpus.value_or(1) == 1 ? Form::kOne : Form::kColocated;
  }
  for (const Form form : {Form::kOne, Form::kColocated, Form::kApart}) {
    if (*options.form != Name(form)) continue;
    if (counted && form != Form::kApart) {
      return absl::InvalidArgumentError("--attention and --experts belong to --form apart");
    }
    return form;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--form \"", *options.form, "\": use one, colocated or apart"));
}

// How many GPUs do what.
absl::StatusOr<RankCounts> ReadCounts(const PlanOptions& options, std::int64_t experts) {
  RankCounts counts = {.gpus_per_node = options.gpus_per_node, .experts = experts};
  ASSIGN_OR_RETURN(counts.form, ReadForm(options));
  counts.gpus = options.gpus.value_or(1);
  std::int64_t holders = counts.gpus;
  if (counts.form == Form::kApart) {
    if (!options.attention.has_value() || !options.experts.has_value()) {
      return absl::InvalidArgumentError(
          "--form apart: say how many GPUs do what by --attention and --experts");
    }
    RETURN_IF_ERROR(CheckRange("--attention", *options.attention, kGpus));
    RETURN_IF_ERROR(CheckRange("--experts", *options.experts, {.min = 1, .max = experts}));
    counts.attention = *options.attention;
    holders = *options.experts;
    counts.gpus = counts.attention + holders;
    if (options.gpus.value_or(counts.gpus) != counts.gpus) {
      return absl::InvalidArgumentError(absl::StrCat("--gpus ", *options.gpus, ": --attention ",
                                                     counts.attention, " and --experts ", holders,
                                                     " are ", counts.gpus));
    }
  }
  RETURN_IF_ERROR(CheckRange("--gpus", counts.gpus, kGpus));
  RETURN_IF_ERROR(CheckRange("--gpus-per-node", counts.gpus_per_node, kGpus));
  if (counts.form == Form::kOne && counts.gpus != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("--gpus ", counts.gpus, ": --form one has 1; use colocated or apart"));
  }
  if (holders > experts) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--gpus ", holders, ": the model's ", experts, " experts go to ", experts,
        " GPUs at most; put more on attention by --form apart --attention N --experts N"));
  }
  return counts;
}

absl::StatusOr<Cluster> ReadCluster(const PlanOptions& options, std::int64_t experts) {
  Cluster cluster;
  ASSIGN_OR_RETURN(cluster.card, ReadCard(options));
  ASSIGN_OR_RETURN(const RankCounts counts, ReadCounts(options, experts));
  cluster.form = counts.form;
  cluster.gpus_per_node = counts.gpus_per_node;
  cluster.ranks = MakeRanks(counts);
  const bool several_nodes = counts.gpus > counts.gpus_per_node;
  RETURN_IF_ERROR(
      ReadGiven(options.network, "--network", ParseBytesPerSecond, cluster.network_bytes_per_s));
  if (several_nodes && cluster.network_bytes_per_s == 0) {
    return absl::InvalidArgumentError(absl::StrCat("--network is missing: ", counts.gpus,
                                                   " GPUs are more than the ", counts.gpus_per_node,
                                                   " of a node (--gpus-per-node)"));
  }
  if (counts.gpus > 1 && counts.gpus_per_node > 1 && cluster.card.link_bytes_per_s == 0) {
    return Missing("--nvlink");
  }
  if (counts.gpus > 1) {
    const std::string hop = options.hop_latency.value_or(several_nodes ? kNetworkHop : kNodeHop);
    RETURN_IF_ERROR(ReadGiven<double>(hop, "--hop-latency", ParseLatency, cluster.hop_s));
  }
  return cluster;
}

}  // namespace

absl::StatusOr<PlanRequest> ReadPlanOptions(const PlanOptions& options) {
  PlanRequest request = {.model_name = options.model,
                         .batches = options.batches,
                         .context = options.context,
                         .prompt = options.prompt,
                         .efficiency = options.efficiency};
  ASSIGN_OR_RETURN(request.model, ReadModelConfig(options.model));
  ASSIGN_OR_RETURN(request.cluster, ReadCluster(options, request.model.n_routed_experts));
  const std::int64_t positions = request.model.max_position_embeddings;
  for (const std::int64_t batch : request.batches) {
    RETURN_IF_ERROR(CheckRange("--batch", batch, kBatch));
  }
  RETURN_IF_ERROR(CheckRange("--context", request.context, {.min = 1, .max = positions}));
  RETURN_IF_ERROR(CheckRange("--prompt", request.prompt, {.min = 0, .max = positions}));
  if (!(request.efficiency > 0 && request.efficiency <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--efficiency ", request.efficiency, ": give a share above 0, at most 1"));
  }
  const absl::StatusOr<std::int64_t> reserve = ParseByteSize(options.reserve);
  if (!reserve.ok()) return AddContext(reserve.status(), "--reserve");
  request.reserve_bytes = *reserve;
  return request;
}

}  // namespace sextant::cli
