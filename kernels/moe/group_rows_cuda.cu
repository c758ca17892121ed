#include <limits>

#include "kernels/cuda/device.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/scan.cuh"
#include "kernels/moe/group_rows_cuda.h"

namespace sextant {
namespace {

constexpr int kThreads = 512;
constexpr int kSlotsPerThread = 4;
constexpr int kSlotsPerRound = kThreads * kSlotsPerThread;

__global__ void __launch_bounds__(kThreads) GroupRowsKernel(GroupRowsCudaArgs args) {
  const int expert = BlockIndexX();
  std::int64_t rows = args.rows;
  if (args.live_rows != nullptr && *args.live_rows < rows) rows = *args.live_rows;
  const int count = static_cast<int>(rows) * args.chosen;
  const auto slots = BlockShared<int>(0, kReduceSlots);

  int lower = 0;  // slots of experts before this one
  int equal = 0;
  for (int slot = ThreadIndex(); slot < count; slot += kThreads) {
    const int id = args.expert_ids[slot];
    if (id < 0 || id >= args.experts) {
      if (expert == 0) args.places[slot] = -1;
      continue;
    }
    lower += id < expert ? 1 : 0;
    equal += id == expert ? 1 : 0;
  }
  int place = BlockSum(lower, slots);
  BlockBarrier();
  equal = BlockSum(equal, slots);
  BlockBarrier();
  if (ThreadIndex() == 0) {
    args.offsets[expert] = place;
    if (expert == args.experts - 1) args.offsets[args.experts] = place + equal;
  }
  if (equal == 0) return;

  for (int round = 0; round < count; round += kSlotsPerRound) {
    const int first = round + ThreadIndex() * kSlotsPerThread;
    int matches = 0;
    for (int i = 0; i < kSlotsPerThread; ++i) {
      if (first + i < count && args.expert_ids[first + i] == expert) ++matches;
    }
    const Scan scan = BlockScan(matches, slots);
    int to = place + scan.before;
    for (int i = 0; i < kSlotsPerThread; ++i) {
      const int slot = first + i;
      if (slot >= count || args.expert_ids[slot] != expert) continue;
      args.source_rows[to] = slot / args.chosen;
      args.places[slot] = to++;
    }
    place += scan.total;
  }
}

}  // namespace

DeviceStatus GroupRowsCuda(DeviceStream stream, const GroupRowsCudaArgs& args) {
  if (args.experts < 1 || args.chosen < 1 || args.rows < 0 ||
      args.rows > (std::numeric_limits<std::int32_t>::max() - kSlotsPerRound) / args.chosen) {
    return RefuseLaunch("GroupRows: needs experts, chosen ones, and fewer than 2^31 slots");
  }
  return Launch(stream,
                {.blocks_x = args.experts, .threads = kThreads, .shared_bytes = kReduceBytes<int>},
                GroupRowsKernel, args);
}

}  // namespace sextant
