// Times steps of the engine on a checkpoint, each beside the ceilings of the machine.
//
// A step is what the engine does: the forward pass and the choice of the next tokens. Decode steps
// keep their context: every step computes the same position again, of another token.
//
// Threads: the caller's owns the engine.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/engine/local_engine.h"
#include "cli/step_cost.h"

namespace sextant::cli {

struct BenchCase {
  bool decode = false;
  std::int64_t rows = 0;     // of the prompt, or sequences
  std::int64_t context = 0;  // positions before the generated one
  std::int64_t steps = 1;    // per round
};

// Medians over the rounds.
struct BenchResult {
  BenchCase of;
  double seconds = 0;  // of a step
  double tokens_per_s = 0;
  double flops = 0;             // of a step
  double bytes = 0;             // of a step
  double read_bytes_per_s = 0;  // the ceilings around the case
  double product_flops_per_s = 0;
  double share = 0;  // floor / seconds: see FloorSeconds
  // Of one step on a GPU, run kernel by kernel; empty where nobody asked.
  std::vector<KernelTime> kernels = {};

  // Of the reads, and of the products, that the machine could do in the time of the step. A step
  // whose operators are some bound by one and some by the other reaches neither.
  [[nodiscard]] double read_share() const { return bytes / seconds / read_bytes_per_s; }
  [[nodiscard]] double product_share() const { return flops / seconds / product_flops_per_s; }
};

struct BenchOptions {
  std::vector<BenchCase> cases;
  int rounds = 5;
  bool kernels = false;  // whether each one is timed by itself
};

struct BenchReport {
  std::vector<BenchResult> results;
  std::int64_t memory_bytes = 0;  // at most, beyond mapped weights and the latents in the cache
  // Of the mapped files' pages that are in memory, the share in huge pages; none: nobody says.
  std::optional<double> huge_file_share;
};

// Tokens of latent cache that the cases take.
[[nodiscard]] std::int64_t CacheTokensFor(const BenchOptions& options);

// Checks first that logits are finite and that the same step gives the same bytes again.
// `progress` is called with what comes next. Errors: those of the engine; Internal when a check
// fails.
[[nodiscard]] absl::StatusOr<BenchReport> RunEngineBench(
    LocalEngine& engine, const BenchOptions& options,
    const std::function<void(const std::string&)>& progress);

}  // namespace sextant::cli
