// The bench of the exchange on ranks that are threads, each with an emulated GPU.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/exchange/bench_layout.h"
#include "cli/exchange/exchange_bench.h"
#include "common/config/model_config.h"
#include "common/exchange/ranks/communicator.h"

namespace sextant::cli {

// 10 experts of which rows choose 3; rows of 72 values.
[[nodiscard]] ModelConfig BenchedModel();

struct MeasuredRanks {
  // What lies between a rank and the network, in place of nothing.
  using Wrap = std::function<std::shared_ptr<Communicator>(std::shared_ptr<Communicator>)>;

  ModelConfig model = BenchedModel();
  BenchRanks ranks;
  Wrap wrap = nullptr;

  [[nodiscard]] RankLayout Layout() const;

  // What each rank measures, by rank, asked for `options` or what `options_of` makes of its rank.
  // When one of them fails the others are aborted.
  [[nodiscard]] std::vector<absl::StatusOr<std::vector<CaseOfRank>>> Run(
      const std::function<ExchangeBenchOptions(int rank)>& options_of) const;
  [[nodiscard]] std::vector<absl::StatusOr<std::vector<CaseOfRank>>> Run(
      const ExchangeBenchOptions& options) const {
    return Run([&options](int /*rank*/) { return options; });
  }
};

}  // namespace sextant::cli
