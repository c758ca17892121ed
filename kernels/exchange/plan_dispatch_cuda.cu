#include <limits>

#include "kernels/cuda/device.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/scan.cuh"
#include "kernels/exchange/plan_dispatch_cuda.h"

namespace sextant {
namespace {

constexpr int kThreads = 512;  // each takes a token of a round
constexpr int kMostChosen = 32;
constexpr int kMostDestinations = 64;
constexpr int kNoLimit = std::numeric_limits<int>::max();

// D, where nobody is, for an id that is no expert's.
__device__ int DestinationOf(const PlanDispatchCudaArgs& args, int id) {
  return id >= 0 && id < args.experts ? args.seats[id].destination : args.destinations;
}

// What one block plans.
struct Slot {
  int destination;
  int first_place;
  int most_pairs;
  std::int32_t* source_rows;  // [C]
  std::int32_t* local_ids;    // [C, K]
};

// All pairs of the destinations before this one.
__device__ int PairsBefore(const PlanDispatchCudaArgs& args, int tokens, int destination,
                           SharedSpan<int> sums) {
  int pairs = 0;
  for (int choice = ThreadIndex(); choice < tokens * args.chosen; choice += kThreads) {
    pairs += DestinationOf(args, args.expert_ids[choice]) < destination ? 1 : 0;
  }
  pairs = BlockSum(pairs, sums);
  BlockBarrier();
  return pairs;
}

__device__ Slot SlotOf(const PlanDispatchCudaArgs& args, int tokens, SharedSpan<int> sums) {
  const int d = BlockIndexX();
  Slot slot{d, 0, kNoLimit, args.source_rows + d * args.slot_rows,
            args.local_ids + d * args.slot_rows * args.chosen};
  if (args.slot_pairs == 0) {
    slot.first_place = PairsBefore(args, tokens, d, sums);
  } else {
    slot.first_place = static_cast<int>(d * args.slot_pairs);
    slot.most_pairs = static_cast<int>(args.slot_pairs);
  }
  return slot;
}

// A bit for each choice of the token whose expert is at the slot's destination.
__device__ std::uint32_t ChoicesThere(const PlanDispatchCudaArgs& args, const Slot& slot,
                                      int token) {
  std::uint32_t there = 0;
  for (int k = 0; k < args.chosen; ++k) {
    const int choice = token * args.chosen + k;
    const int destination = DestinationOf(args, args.expert_ids[choice]);
    if (destination == slot.destination) there |= 1U << k;
    // Nobody else does it for those that are nobody's.
    if (destination == args.destinations && slot.destination == 0) args.places[choice] = 0;
  }
  return there;
}

// `row` is the token's in the slot, `pair` that of its first choice there.
__device__ void PlaceToken(const PlanDispatchCudaArgs& args, const Slot& slot, int token,
                           std::uint32_t there, int row, int pair) {
  const bool fits = row < args.slot_rows;
  if (fits) slot.source_rows[row] = token;
  for (int k = 0; k < args.chosen; ++k) {
    const int choice = token * args.chosen + k;
    int local = -1;
    if ((there >> k & 1U) != 0) {
      local = args.seats[args.expert_ids[choice]].local;
      args.places[choice] = fits && pair < slot.most_pairs ? slot.first_place + pair : 0;
      ++pair;
    }
    if (fits) slot.local_ids[row * args.chosen + k] = local;
  }
}

__device__ void FillUp(std::int32_t* values, std::int64_t from, std::int64_t end) {
  for (std::int64_t i = from + ThreadIndex(); i < end; i += kThreads) values[i] = -1;
}

// One block of a multiprocessor: ptxas would spill to make room for more, and there are few.
__global__ void __launch_bounds__(kThreads, 1) PlanDispatchKernel(PlanDispatchCudaArgs args) {
  int tokens = static_cast<int>(args.rows);
  if (args.live_rows != nullptr && *args.live_rows < tokens) tokens = *args.live_rows;
  const auto sums = BlockShared<int>(0, kReduceSlots);
  const Slot slot = SlotOf(args, tokens, sums);

  int rows = 0;
  int pairs = 0;
  for (int round = 0; round < tokens; round += kThreads) {
    const int token = round + ThreadIndex();
    const std::uint32_t there = token < tokens ? ChoicesThere(args, slot, token) : 0;
    const Scan row_scan = BlockScan(there != 0 ? 1 : 0, sums);
    const Scan pair_scan = BlockScan(CountBits(there), sums);
    if (there != 0) {
      PlaceToken(args, slot, token, there, rows + row_scan.before, pairs + pair_scan.before);
    }
    rows += row_scan.total;
    pairs += pair_scan.total;
  }
  FillUp(slot.source_rows, rows, args.slot_rows);
  FillUp(slot.local_ids, std::int64_t{rows} * args.chosen, args.slot_rows * args.chosen);
  if (ThreadIndex() == 0) {
    args.counts[2 * slot.destination] = rows;
    args.counts[2 * slot.destination + 1] = pairs;
    if (rows > args.slot_rows || pairs > slot.most_pairs) *args.overflow = 1;
  }
}

}  // namespace

DeviceStatus PlanDispatchCuda(DeviceStream stream, const PlanDispatchCudaArgs& args) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max() - kThreads;
  if (args.experts < 1 || args.chosen < 1 || args.chosen > kMostChosen || args.destinations < 1 ||
      args.destinations > kMostDestinations) {
    return RefuseLaunch("PlanDispatch: needs experts, 1 to 32 chosen ones, 1 to 64 destinations");
  }
  if (args.rows < 0 || args.slot_rows < 0 || args.slot_pairs < 0 ||
      args.rows > kMost / args.chosen || args.slot_rows > kMost / args.chosen / args.destinations ||
      args.slot_pairs > kMost / args.destinations) {
    return RefuseLaunch("PlanDispatch: needs fewer than 2^31 choices, and as few in all slots");
  }
  return Launch(
      stream,
      {.blocks_x = args.destinations, .threads = kThreads, .shared_bytes = kReduceBytes<int>},
      PlanDispatchKernel, args);
}

}  // namespace sextant
