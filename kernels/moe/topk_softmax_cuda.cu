#include <cmath>

#include "kernels/cuda/device.h"
#include "kernels/cuda/rank.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/moe/topk_softmax_cuda.h"

namespace sextant {
namespace {

constexpr int kTokensPerBlock = 4;
constexpr int kPerLane = 8;
constexpr int kMostExperts = kPerLane * kWarpSize;
constexpr int kMostChosen = kWarpSize;
constexpr int kMostGroups = kWarpSize;

// An expert's place among all: kept groups first, then the heavier, then the lower id. 0: none.
constexpr int kRankShift = 16;
constexpr std::uint64_t kKept = std::uint64_t{1} << 48;

__device__ std::uint64_t PlaceOf(bool kept, std::uint32_t rank, int id) {
  const std::uint64_t low = 0xffffU - static_cast<std::uint32_t>(id);
  return kept ? kKept | static_cast<std::uint64_t>(rank) << kRankShift | low : low;
}
__device__ int IdOf(std::uint64_t place) { return 0xffff - static_cast<int>(place & 0xffffU); }
__device__ std::uint32_t RankOfPlace(std::uint64_t place) {
  return static_cast<std::uint32_t>(place >> kRankShift);
}

// Which groups are kept, a bit for each.
__device__ std::uint32_t KeptGroups(const TopkSoftmaxCudaArgs& args,
                                    const std::uint32_t (&ranks)[kPerLane]) {
  const int lane = ThreadIndex() % kWarpSize;
  const int size = args.experts / args.groups;
  std::uint64_t mine = 0;  // lane g: the place of group g
  for (int group = 0; group < args.groups; ++group) {
    std::uint32_t best = 0;
    SEXTANT_UNROLL
    for (int i = 0; i < kPerLane; ++i) {
      const int id = i * kWarpSize + lane;
      if (id < args.experts && id / size == group && ranks[i] > best) best = ranks[i];
    }
    best = WarpMax(best);
    if (lane == group) mine = PlaceOf(true, best, group);
  }
  std::uint32_t kept = 0;
  for (int n = 0; n < args.kept_groups; ++n) {
    const std::uint64_t best = WarpMax(mine);
    if (mine == best) mine = 0;
    kept |= 1U << IdOf(best);
  }
  return kept;
}

__global__ void __launch_bounds__(kTokensPerBlock* kWarpSize)
    TopkSoftmaxKernel(TopkSoftmaxCudaArgs args) {
  const int lane = ThreadIndex() % kWarpSize;
  const std::int64_t row =
      std::int64_t{BlockIndexX()} * kTokensPerBlock + ThreadIndex() / kWarpSize;
  if (row >= args.rows || (args.live_rows != nullptr && row >= *args.live_rows)) return;
  const float* logits = args.gate_logits + row * args.experts;
  float mine[kPerLane];
  std::uint32_t ranks[kPerLane];
  float heaviest = -INFINITY;
  SEXTANT_UNROLL
  for (int i = 0; i < kPerLane; ++i) {
    const int id = i * kWarpSize + lane;
    mine[i] = id < args.experts ? logits[id] : -INFINITY;
    ranks[i] = RankOf(mine[i]);
    heaviest = fmaxf(heaviest, mine[i]);
  }
  heaviest = WarpMax(heaviest);
  float total = 0.0F;
  SEXTANT_UNROLL
  for (int i = 0; i < kPerLane; ++i) total += expf(mine[i] - heaviest);
  total = WarpSum(total);

  const std::uint32_t kept = args.kept_groups < args.groups ? KeptGroups(args, ranks) : 0xffffffffU;
  const int size = args.experts / args.groups;
  std::uint64_t places[kPerLane];
  SEXTANT_UNROLL
  for (int i = 0; i < kPerLane; ++i) {
    const int id = i * kWarpSize + lane;
    places[i] = 0;
    if (id < args.experts) places[i] = PlaceOf((kept >> (id / size) & 1U) != 0, ranks[i], id);
  }
  std::uint64_t chosen = 0;  // lane k: the expert of slot k
  for (int k = 0; k < args.chosen; ++k) {
    std::uint64_t best = 0;
    SEXTANT_UNROLL
    for (int i = 0; i < kPerLane; ++i) best = places[i] > best ? places[i] : best;
    best = WarpMax(best);
    SEXTANT_UNROLL
    for (int i = 0; i < kPerLane; ++i) places[i] = places[i] == best ? 0 : places[i];
    if (lane == k) chosen = best;
  }
  float weight = 0.0F;
  if ((chosen & kKept) != 0) {
    const std::uint32_t rank = RankOfPlace(chosen);
    weight = rank == 0 ? NAN : expf(FloatOfRank(rank) - heaviest) / total;
  }
  if (args.normalise && args.chosen > 1) {
    float sum = 0.0F;
    for (int k = 0; k < args.chosen; ++k) sum += ShuffleFrom(weight, k);
    weight /= sum + 1e-20F;
  } else {
    weight *= args.scale;
  }
  if (lane < args.chosen) {
    args.weights[row * args.chosen + lane] = weight;
    args.expert_ids[row * args.chosen + lane] = IdOf(chosen);
  }
}

}  // namespace

DeviceStatus TopkSoftmaxCuda(DeviceStream stream, const TopkSoftmaxCudaArgs& args) {
  if (args.experts < 1 || args.experts > kMostExperts || args.chosen < 1 ||
      args.chosen > args.experts || args.chosen > kMostChosen) {
    return RefuseLaunch("TopkSoftmax: needs 1 to 256 experts, of which 1 to 32 are chosen");
  }
  if (args.groups < 1 || args.groups > kMostGroups || args.experts % args.groups != 0 ||
      args.kept_groups < 1 || args.kept_groups > args.groups) {
    return RefuseLaunch("TopkSoftmax: at most 32 groups, which must divide the experts");
  }
  if (args.rows == 0) return {};
  return Launch(
      stream,
      {.blocks_x = DivideUp(args.rows, kTokensPerBlock), .threads = kTokensPerBlock * kWarpSize},
      TopkSoftmaxKernel, args);
}

}  // namespace sextant
