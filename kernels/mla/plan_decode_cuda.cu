#include "kernels/cuda/device.h"
#include "kernels/cuda/scan.cuh"
#include "kernels/mla/mla_decode_cuda.h"

namespace sextant {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads) PlanDecodeKernel(PlanDecodeCudaArgs args) {
  const auto slots = BlockShared<int>(0, kReduceSlots);
  int live = args.rows;
  if (args.live_rows != nullptr && *args.live_rows < live) live = *args.live_rows;
  int first = 0;
  for (int round = 0; round < args.rows; round += kThreads) {
    const int row = round + ThreadIndex();
    int splits = 0;
    if (row < live) splits = (args.lengths[row] + kDecodeSplitCuda - 1) / kDecodeSplitCuda;
    const Scan scan = BlockScan(splits, slots);
    if (row < args.rows) {
      const int begin = first + scan.before;
      args.plan.offsets[row] = begin;
      for (int i = begin; i < begin + splits && i < args.plan.max_splits; ++i) {
        args.plan.rows[i] = row;
      }
    }
    first += scan.total;
  }
  if (ThreadIndex() == 0) args.plan.offsets[args.rows] = first;
}

}  // namespace

DeviceStatus PlanDecodeCuda(DeviceStream stream, const PlanDecodeCudaArgs& args) {
  if (args.rows < 0 || args.plan.offsets == nullptr || args.plan.rows == nullptr) {
    return RefuseLaunch("PlanDecode: there is no room for the plan");
  }
  return Launch(stream, {.threads = kThreads, .shared_bytes = kReduceBytes<int>}, PlanDecodeKernel,
                args);
}

}  // namespace sextant
