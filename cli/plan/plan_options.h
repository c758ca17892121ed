// What `sextant plan` was asked, as flags say it, and what that means.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/plan/card.h"
#include "cli/plan/plan.h"

namespace sextant::cli {

// A hop's default. NCCL's own model of a call (src/graph/tuning.cc, 2.28) has a base latency of 6.6
// to 8.4 us and adds 0.6 to 3.4 us for a step over NVLink, 2.7 to 14 us over a network; calculon
// (systems/a100_80g.json) takes 10 and 20 us. Measured by `sextant bench exchange`.
inline constexpr const char* kNodeHop = "10us";
inline constexpr const char* kNetworkHop = "20us";

// An absent value is what the card, or the rest, makes of it.
struct PlanOptions {
  std::string model;
  std::optional<std::string> card, memory, bandwidth, compute, nvlink, network, hop_latency;
  std::optional<Card> measured;     // laid over the card that has a name, and under the rest
  std::optional<std::string> form;  // one, colocated or apart
  std::optional<std::int64_t> gpus;
  std::int64_t gpus_per_node = 8;
  std::optional<std::int64_t> attention, experts;  // GPUs of the form apart
  std::vector<std::int64_t> batches = {1, 32};
  std::int64_t context = 2048;
  std::int64_t prompt = 2048;
  double efficiency = 0.6;
  std::string reserve = "1GiB";
};

// Reads the model's config.json as well.
// Errors: those of ReadModelConfig; InvalidArgument naming the flag and what it may be.
[[nodiscard]] absl::StatusOr<PlanRequest> ReadPlanOptions(const PlanOptions& options);

}  // namespace sextant::cli
