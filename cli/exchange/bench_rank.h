// One rank of `sextant bench exchange` in a process of its own: a GPU, NCCL, and what it measures.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/exchange/bench_layout.h"
#include "cli/exchange/exchange_bench.h"
#include "cli/exchange/rank_report.h"

namespace sextant::cli {

struct BenchRankOptions {
  std::string model;  // a folder with config.json
  BenchRanks ranks;
  std::vector<int> gpus;  // of the ranks, in turn; empty: each has the one of its number
  ExchangeBenchOptions bench;
  int rank = 0;
  std::string id;  // of the communicator, in hexadecimal; rank 0 makes it
};

[[nodiscard]] int GpuOf(const std::vector<int>& gpus, int rank);
// Whether two of so many ranks have the same GPU. NCCL refuses that but for ranks that each say to
// be a host of its own; what they send each other then goes over sockets.
[[nodiscard]] bool ShareGpus(const std::vector<int>& gpus, int ranks);

// Sets NCCL's environment variables where ranks share a GPU: to be called before there are threads.
// `tell_id` is called by rank 0 with the id for the others, `progress` with what comes next.
// Errors: those of OpenCuda, OpenNccl and RankNetwork, and of MeasureExchange.
[[nodiscard]] absl::StatusOr<RankReport> MeasureAsRank(
    const BenchRankOptions& options, const std::function<void(const std::string&)>& tell_id,
    const std::function<void(const std::string&)>& progress);

}  // namespace sextant::cli
