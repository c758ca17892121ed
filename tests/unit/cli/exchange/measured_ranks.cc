#include "tests/unit/cli/exchange/measured_ranks.h"

#include <string>
#include <utility>

#include "common/base/check.h"
#include "kernels/cuda_module/cuda_kernels.h"
#include "tests/support/device/emulated_gpu.h"
#include "tests/support/ranks/fake_network.h"
#include "tests/support/ranks/rank_threads.h"
#include "tests/support/v2_lite.h"

namespace sextant::cli {

ModelConfig BenchedModel() {
  ModelConfig model = V2LiteConfig();
  model.hidden_size = 72;
  model.n_routed_experts = 10;
  model.num_experts_per_tok = 3;
  return model;
}

RankLayout MeasuredRanks::Layout() const {
  absl::StatusOr<RankLayout> layout = MakeBenchLayout(model.n_routed_experts, ranks);
  CHECK(layout.ok());
  return *std::move(layout);
}

std::vector<absl::StatusOr<std::vector<CaseOfRank>>> MeasuredRanks::Run(
    const std::function<ExchangeBenchOptions(int rank)>& options_of) const {
  const RankLayout layout = Layout();
  const auto count = static_cast<std::size_t>(layout.size());
  std::vector<std::unique_ptr<EmulatedGpu>> gpus;
  for (std::size_t rank = 0; rank < count; ++rank) gpus.push_back(std::make_unique<EmulatedGpu>());
  std::vector<absl::StatusOr<std::vector<CaseOfRank>>> measured(count);
  FakeNetwork network(layout.size());
  std::vector<std::shared_ptr<Communicator>> communicators;
  for (int rank = 0; rank < layout.size(); ++rank) {
    communicators.push_back(network.Join(rank, *gpus[static_cast<std::size_t>(rank)]));
  }
  RunRanks(layout.size(), [&](int self) {
    const auto rank = static_cast<std::size_t>(self);
    std::shared_ptr<Communicator> communicator = communicators[rank];
    if (wrap != nullptr) communicator = wrap(std::move(communicator));
    measured[rank] = MeasureExchange({.gpu = *gpus[rank],
                                      .kernels = LinkedCudaKernels(),
                                      .communicator = std::move(communicator),
                                      .model = model,
                                      .layout = layout},
                                     options_of(self), [](const std::string& /*next*/) {});
    const absl::Status& status = measured[rank].status();
    // Of these the others know by themselves.
    if (status.ok() || absl::IsDataLoss(status) || absl::IsInvalidArgument(status)) return;
    for (const auto& other : communicators) other->Abort();
  });
  return measured;
}

}  // namespace sextant::cli
