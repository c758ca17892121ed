// How long the rows of one MoE layer are under way.
//
// A row goes once to every other rank that holds at least one of its experts, H bf16 values; back
// comes one vector of H bf16 values for every chosen expert that lives elsewhere, because the
// attention side sums them in top-k order (common/exchange/exchange.h). What lives on the row's own
// rank does not travel. Beside the rows go 4 bytes for each choice, which is not counted.
//
// A rank sends and receives at once, and over both of its links at once (other GPUs of its node,
// other nodes). An exchange takes as long as its most loaded link in its most loaded direction.
#pragma once

#include <vector>

#include "cli/plan/cluster.h"
#include "common/config/model_config.h"

namespace sextant::cli {

struct ExchangeTime {
  double out_s = 0;   // rows to experts
  double back_s = 0;  // outputs of experts
};

// `rows`: of each rank of the cluster, whose attention they have been through. Hops are not in it.
[[nodiscard]] ExchangeTime TimeOfExchange(const ModelConfig& config, const Cluster& cluster,
                                          const std::vector<double>& rows);

}  // namespace sextant::cli
