#include "cli/exchange/bench_rank.h"

#include <cstdlib>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/status.h"
#include "common/device/gpu.h"
#include "common/exchange/nccl_module/nccl_network.h"
#include "kernels/cuda_module/cuda_backend.h"

namespace sextant::cli {
namespace {

// All ranks are started within moments; NCCL's first steps take seconds.
constexpr absl::Duration kOpening = absl::Seconds(60);

// What tells NCCL to take ranks of one GPU for hosts of their own (src/init.cc of NCCL 2.28 refuses
// them else), and to look for nothing but sockets of this host between them.
void BeAHost(int rank) {
  setenv("NCCL_HOSTID", absl::StrCat("sextant-rank-", rank).c_str(), 1);
  setenv("NCCL_SOCKET_IFNAME", "lo", 0);
  setenv("NCCL_NET", "Socket", 0);
  setenv("NCCL_IB_DISABLE", "1", 0);
  setenv("NCCL_MNNVL_ENABLE", "0", 0);
}

absl::StatusOr<CudaBackend> OpenGpu(const BenchRankOptions& options) {
  absl::StatusOr<CudaBackend> backend = OpenCuda(GpuOf(options.gpus, options.rank));
  if (backend.ok() || options.rank == 0 || !options.gpus.empty()) return backend;
  return absl::Status(
      backend.status().code(),
      absl::StrCat(backend.status().message(), "; --gpus 0 puts all ranks on one card"));
}

}  // namespace

int GpuOf(const std::vector<int>& gpus, int rank) {
  return gpus.empty() ? rank : gpus[static_cast<std::size_t>(rank) % gpus.size()];
}

bool ShareGpus(const std::vector<int>& gpus, int ranks) {
  std::set<int> used;
  for (int rank = 0; rank < ranks; ++rank) used.insert(GpuOf(gpus, rank));
  return static_cast<int>(used.size()) < ranks;
}

absl::StatusOr<RankReport> MeasureAsRank(const BenchRankOptions& options,
                                         const std::function<void(const std::string&)>& tell_id,
                                         const std::function<void(const std::string&)>& progress) {
  ASSIGN_OR_RETURN(const ModelConfig model, ReadModelConfig(options.model));
  ASSIGN_OR_RETURN(const RankLayout layout, MakeBenchLayout(model.n_routed_experts, options.ranks));
  if (ShareGpus(options.gpus, options.ranks.ranks)) BeAHost(options.rank);
  ASSIGN_OR_RETURN(const CudaBackend backend, OpenGpu(options));
  ASSIGN_OR_RETURN(const std::unique_ptr<RankNetwork> network, OpenNccl());
  std::string id = absl::HexStringToBytes(options.id);
  if (options.rank == 0) {
    ASSIGN_OR_RETURN(id, network->MakeId());
    tell_id(absl::BytesToHexString(id));
  }
  // The last call of a driver before Open says whose the communicator is.
  GpuInfo info;
  RETURN_IF_ERROR(ToStatus(backend.gpu->Describe(&info), "the GPU's properties"));
  ASSIGN_OR_RETURN(
      std::unique_ptr<Communicator> communicator,
      network->Open(
          {.id = std::move(id), .rank = options.rank, .size = layout.size(), .timeout = kOpening}));
  ASSIGN_OR_RETURN(std::vector<CaseOfRank> cases,
                   MeasureExchange({.gpu = *backend.gpu,
                                    .kernels = *backend.kernels,
                                    .communicator = std::move(communicator),
                                    .model = model,
                                    .layout = layout},
                                   options.bench, progress));
  return RankReport{.gpu = info.name, .cases = std::move(cases)};
}

}  // namespace sextant::cli
