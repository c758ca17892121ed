// Times the exchange of a MoE layer between the ranks of an epoch, beside plain messages of the
// same bytes: what one rank of `sextant bench exchange` does.
//
// What is timed is the engine's own exchange (common/exchange/ranks/rank_exchange.h), in decode
// steps (slots, as a graph) and in prefill steps (exact): a rank that attends packs rows, they
// travel, outputs are put in order and travel back. The experts are left out (fixed_host.h), so
// that their weights are not needed. Beside it, in turn with it:
//
//   plain       the same messages in the same two groups, and nothing else on the stream;
//   all-to-all  as many bytes in each group, the same number from every rank to every rank. It is
//               made of sends, as ncclAlltoAll is where memory is not registered (src/enqueue.cc of
//               NCCL 2.28).
//
// All ranks do the same in the same order, without a conductor: each knows what comes. Before a
// case is timed every row and every output is compared with what was sent.
//
// Threads:   one, which owns the GPU's stream.
// Errors:    InvalidArgument where the ranks were asked for different things, DataLoss at all of
//            them where something has arrived wrong at one, those of the exchange and the GPU.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/exchange/exchange_case.h"
#include "common/config/model_config.h"
#include "common/device/gpu_driver.h"
#include "common/exchange/ranks/communicator.h"
#include "common/exchange/ranks/rank_layout.h"
#include "kernels/cuda_module/cuda_kernels.h"

namespace sextant::cli {

struct ExchangeBenchOptions {
  std::vector<ExchangeCase> cases;  // of CasesOf
  int layers = 8;                   // of a step that are timed, at least 1
  int rounds = 20;                  // steps of each way that are timed, at least 1
  int warmup = 3;                   // and that are not
  std::uint64_t seed = 1;           // of routing and rows
};

struct ExchangeBenchParts {
  GpuDriver& gpu;
  const CudaKernels& kernels;
  std::shared_ptr<Communicator> communicator;
  const ModelConfig& model;
  const RankLayout& layout;  // of the communicator's ranks
};

// `progress` is called with what comes next.
[[nodiscard]] absl::StatusOr<std::vector<CaseOfRank>> MeasureExchange(
    const ExchangeBenchParts& parts, const ExchangeBenchOptions& options,
    const std::function<void(const std::string&)>& progress);

}  // namespace sextant::cli
