// The table of `sextant bench exchange`, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "cli/exchange/bench_layout.h"
#include "cli/exchange/exchange_summary.h"
#include "common/config/model_config.h"

namespace sextant::cli {

struct BenchedExchange {
  std::string model_dir;
  ModelConfig model;
  BenchRanks ranks;
  bool share_gpus = false;
  std::vector<std::string> gpus;  // the name of each rank's
  int layers = 0;                 // that were timed of each step
  int rounds = 0;
  std::vector<CaseSummary> cases;
};

[[nodiscard]] std::string ExchangeAsText(const BenchedExchange& benched);
// One object; times in seconds.
[[nodiscard]] std::string ExchangeAsJson(const BenchedExchange& benched);

}  // namespace sextant::cli
