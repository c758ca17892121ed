// What `sextant bench engine` prints.
#pragma once

#include <cstdint>
#include <string>

#include "cli/engine_bench.h"
#include "common/config/model_config.h"
#include "common/tensor/precision.h"

namespace sextant::cli {

struct BenchedEngine {
  std::string model_dir;
  const ModelConfig& model;
  std::string profile;  // WholeModel says
  Precision precision;
  std::string device;
  std::string memory_table;  // of a GPU
  double ready_s = 0;        // from the start of the process
};

// A table for people.
[[nodiscard]] std::string ReportAsText(const BenchedEngine& engine, const BenchReport& report);

// One object; rates in units per second, sizes in bytes, shares in [0, 1].
[[nodiscard]] std::string ReportAsJson(const BenchedEngine& engine, const BenchReport& report);

}  // namespace sextant::cli
