#include <limits>

#include "kernels/cuda/device.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/scan.cuh"
#include "kernels/exchange/plan_return_cuda.h"

namespace sextant {
namespace {

constexpr int kThreads = 512;
constexpr int kChoicesPerThread = 4;
constexpr int kChoicesPerRound = kThreads * kChoicesPerThread;
constexpr int kMostSources = 64;

// What comes from a source and goes back to it.
struct Span {
  int choices_begin;
  int choices_end;
  int pairs_begin;
  int pairs_end;
};

__device__ Span SpanOf(const PlanReturnCudaArgs& args, int source) {
  if (args.first_rows == nullptr) {
    const auto choices = static_cast<int>(args.slot_rows) * args.chosen;
    const auto pairs = static_cast<int>(args.slot_pairs);
    return {source * choices, (source + 1) * choices, source * pairs, (source + 1) * pairs};
  }
  const auto most_pairs = static_cast<int>(args.most_pairs);
  const int pairs_end = args.first_pairs[source + 1];
  return {args.first_rows[source] * args.chosen, args.first_rows[source + 1] * args.chosen,
          args.first_pairs[source], pairs_end < most_pairs ? pairs_end : most_pairs};
}

__global__ void __launch_bounds__(kThreads) PlanReturnKernel(PlanReturnCudaArgs args) {
  const auto sums = BlockShared<int>(0, kReduceSlots);
  const Span span = SpanOf(args, BlockIndexX());
  int end = span.pairs_begin;  // of the pairs so far
  for (int round = span.choices_begin; round < span.choices_end; round += kChoicesPerRound) {
    const int first = round + ThreadIndex() * kChoicesPerThread;
    int places[kChoicesPerThread];
    int count = 0;
    SEXTANT_UNROLL
    for (int i = 0; i < kChoicesPerThread; ++i) {
      places[i] = first + i < span.choices_end ? args.places[first + i] : -1;
      count += places[i] >= 0 ? 1 : 0;
    }
    const Scan scan = BlockScan(count, sums);
    int pair = end + scan.before;
    SEXTANT_UNROLL
    for (int i = 0; i < kChoicesPerThread; ++i) {
      if (places[i] < 0) continue;
      if (pair < span.pairs_end) args.source_places[pair] = places[i];
      ++pair;
    }
    end += scan.total;
  }
  for (int pair = end + ThreadIndex(); pair < span.pairs_end; pair += kThreads) {
    args.source_places[pair] = -1;
  }
}

}  // namespace

DeviceStatus PlanReturnCuda(DeviceStream stream, const PlanReturnCudaArgs& args) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max() - kChoicesPerRound;
  if (args.chosen < 1 || args.sources < 1 || args.sources > kMostSources) {
    return RefuseLaunch("PlanReturn: needs chosen experts, and 1 to 64 sources");
  }
  if ((args.first_rows == nullptr) != (args.first_pairs == nullptr)) {
    return RefuseLaunch("PlanReturn: needs where both rows and pairs begin, or neither");
  }
  if (args.slot_rows < 0 || args.slot_pairs < 0 || args.most_pairs < 0 ||
      args.slot_rows > kMost / args.chosen / args.sources ||
      args.slot_pairs > kMost / args.sources || args.most_pairs > kMost) {
    return RefuseLaunch("PlanReturn: needs fewer than 2^31 choices and pairs");
  }
  return Launch(stream,
                {.blocks_x = args.sources, .threads = kThreads, .shared_bytes = kReduceBytes<int>},
                PlanReturnKernel, args);
}

}  // namespace sextant
