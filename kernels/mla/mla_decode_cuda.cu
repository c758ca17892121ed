#include <cmath>

#include "kernels/cuda/arguments.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/mla/latent_rows.cuh"
#include "kernels/mla/merge_splits.cuh"
#include "kernels/mla/mla_decode_cuda.h"

namespace sextant {
namespace {

// A block has 16 heads, the rows of mma.m16n8k16. Four warps share the keys of a tile to score
// them, eight each, and the latents' columns to sum them, 128 each.
constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarpSize;
constexpr int kHeads = 16;
constexpr int kTileKeys = 32;
constexpr int kWarpKeys = kTileKeys / kWarps;
constexpr int kWarpCols = kLatentRank / kWarps;
constexpr int kColTiles = kWarpCols / 8;
constexpr int kStages = 2;

// Shared memory: elements of bf16, then numbers of four bytes.
constexpr int kQElements = kHeads * kLatentWidth;
constexpr int kStageElements = kTileKeys * kLatentWidth;
constexpr int kWeightStride = kTileKeys + 8;  // of a head's weights; no two rows meet a bank
constexpr int kWeightsAt = kQElements + kStages * kStageElements;
constexpr int kElements = kWeightsAt + kHeads * kWeightStride;
constexpr int kLargestAt = kElements * 2;
constexpr int kSumsAt = kLargestAt + kWarps * kHeads * 4;
constexpr int kSlotsAt = kSumsAt + kWarps * kHeads * 4;
constexpr int kSharedBytes = kSlotsAt + kDecodeSplitCuda * 4;

struct Memory {
  SharedSpan<Bf16> q = BlockShared<Bf16>(0, kQElements);
  SharedSpan<Bf16> keys = BlockShared<Bf16>(kQElements * 2, kStages* kStageElements);
  SharedSpan<Bf16> weights = BlockShared<Bf16>(kWeightsAt * 2, kHeads* kWeightStride);
  SharedSpan<float> largest = BlockShared<float>(kLargestAt, kWarps* kHeads);
  SharedSpan<float> sums = BlockShared<float>(kSumsAt, kWarps* kHeads);
  SharedSpan<std::int32_t> slots = BlockShared<std::int32_t>(kSlotsAt, kDecodeSplitCuda);
};

// One split of one row, for 16 heads.
struct Split {
  int index;
  int row;
  int first_head;
  int begin;  // its first position
  int count;  // of keys
};

__device__ void CopyQueries(const MlaDecodeCudaArgs& args, const Split& split,
                            const Memory& memory) {
  const Bf16* rope = args.q + split.row * args.q_stride + args.nope;
  for (int i = ThreadIndex(); i < kHeads * kLatentChunks; i += kThreads) {
    const int head = split.first_head + i / kLatentChunks;
    const int col = i % kLatentChunks * kBf16PerWords;
    const bool valid = head < args.num_heads;
    const Bf16* from = args.latent_q;
    if (valid && col < kLatentRank) {
      from += (std::int64_t{split.row} * args.num_heads + head) * kLatentRank + col;
    } else if (valid) {
      from = rope + std::int64_t{head} * (args.nope + kLatentRope) + col - kLatentRank;
    }
    CopyAsync16(memory.q, LatentPlace(i / kLatentChunks, i % kLatentChunks), from, valid);
  }
}

__device__ void FindSlots(const MlaDecodeCudaArgs& args, const Split& split, const Memory& memory) {
  const std::int32_t* table = args.block_table + split.row * args.block_table_stride;
  for (int i = ThreadIndex(); i < split.count; i += kThreads) {
    memory.slots.Store(
        i, static_cast<std::int32_t>(SlotOf(table, args.block_tokens, split.begin + i)));
  }
}

// Keys tile * kTileKeys ... of the split, eight by each warp; what is beyond its end is zeros.
__device__ void CopyKeys(const MlaDecodeCudaArgs& args, const Split& split, int tile,
                         const Memory& memory) {
  const int stage = tile % kStages * kStageElements;
  const int warp = ThreadIndex() / kWarpSize;
  const int lane = ThreadIndex() % kWarpSize;
  for (int i = 0; i < kWarpKeys; ++i) {
    const int key = warp * kWarpKeys + i;
    const int in_split = tile * kTileKeys + key;
    const bool valid = in_split < split.count;
    const std::int64_t slot = valid ? memory.slots.Load(in_split) : 0;
    const Bf16* from = args.cache + slot * kLatentWidth;
    for (int chunk = lane; chunk < kLatentChunks; chunk += kWarpSize) {
      CopyAsync16(memory.keys, stage + LatentPlace(key, chunk), from + chunk * kBf16PerWords,
                  valid);
    }
  }
}

// The warp's eight keys by 16 heads: heads lane / 4 and + 8, keys 2 (lane % 4) and + 1.
__device__ void ScoreKeys(const Memory& memory, int stage, float (&scores)[4]) {
  const int warp = ThreadIndex() / kWarpSize;
  const int lane = ThreadIndex() % kWarpSize;
  float odd[4] = {};
  SEXTANT_UNROLL
  for (int i = 0; i < 4; ++i) scores[i] = 0.0F;
  for (int pair = 0; pair < kLatentWidth / 32; ++pair) {
    std::uint32_t key[4];
    LoadMatrix4(key, memory.keys,
                stage + LatentPlace(warp * kWarpKeys + lane % 8, 4 * pair + lane / 8));
    std::uint32_t q[4];
    LoadMatrix4(q, memory.q, LatentPlace(lane % 16, 4 * pair + lane / 16));
    MmaBf16(scores, q, key[0], key[1]);
    LoadMatrix4(q, memory.q, LatentPlace(lane % 16, 4 * pair + 2 + lane / 16));
    MmaBf16(odd, q, key[2], key[3]);
  }
  SEXTANT_UNROLL
  for (int i = 0; i < 4; ++i) scores[i] += odd[i];
}

// The state of a thread's two heads.
struct Running {
  float largest[2] = {-INFINITY, -INFINITY};
  float sum[2] = {0.0F, 0.0F};
};

// Turns the tile's scores into weights in shared memory, and the state to what it is after them.
// `rescale`: what earlier sums of each head are to be multiplied by.
__device__ void Weigh(const Split& split, int tile, float scale, const Memory& memory,
                      float (&scores)[4], Running& running, float (&rescale)[2]) {
  const int warp = ThreadIndex() / kWarpSize;
  const int lane = ThreadIndex() % kWarpSize;
  const int group = lane / 4;
  const int key = warp * kWarpKeys + lane % 4 * 2;
  SEXTANT_UNROLL
  for (int i = 0; i < 4; ++i) {
    const bool visible = tile * kTileKeys + key + i % 2 < split.count;
    scores[i] = visible ? scores[i] * scale : -INFINITY;
  }
  SEXTANT_UNROLL
  for (int half = 0; half < 2; ++half) {
    const float most = QuadMax(fmaxf(scores[2 * half], scores[2 * half + 1]));
    if (lane % 4 == 0) memory.largest.Store(warp * kHeads + half * 8 + group, most);
  }
  BlockBarrier();
  SEXTANT_UNROLL
  for (int half = 0; half < 2; ++half) {
    const int head = half * 8 + group;
    float most = running.largest[half];
    for (int w = 0; w < kWarps; ++w) most = fmaxf(most, memory.largest.Load(w * kHeads + head));
    rescale[half] = expf(running.largest[half] - most);
    running.largest[half] = most;
    const float weight0 = expf(scores[2 * half] - most);
    const float weight1 = expf(scores[2 * half + 1] - most);
    const float sum = QuadSum(weight0 + weight1);
    if (lane % 4 == 0) memory.sums.Store(warp * kHeads + head, sum);
    memory.weights.StorePair(head * kWeightStride + key, PackBf16(weight0, weight1));
  }
  BlockBarrier();
  SEXTANT_UNROLL
  for (int half = 0; half < 2; ++half) {
    float sum = 0.0F;
    for (int w = 0; w < kWarps; ++w) sum += memory.sums.Load(w * kHeads + half * 8 + group);
    running.sum[half] = fmaf(running.sum[half], rescale[half], sum);
  }
}

// weighted += weights times latents, of the warp's columns.
__device__ void AddLatents(const Memory& memory, int stage, float (&weighted)[kColTiles][4]) {
  const int warp = ThreadIndex() / kWarpSize;
  const int lane = ThreadIndex() % kWarpSize;
  SEXTANT_UNROLL
  for (int step = 0; step < kTileKeys / 16; ++step) {
    std::uint32_t weight[4];
    LoadMatrix4(weight, memory.weights,
                lane % 16 * kWeightStride + step * 16 + lane / 16 * kBf16PerWords);
    SEXTANT_UNROLL
    for (int pair = 0; pair < kColTiles / 2; ++pair) {
      const int chunk = warp * kWarpCols / kBf16PerWords + 2 * pair + lane / 16;
      std::uint32_t latent[4];
      LoadMatrixTransposed4(latent, memory.keys, stage + LatentPlace(step * 16 + lane % 16, chunk));
      MmaBf16(weighted[2 * pair], weight, latent[0], latent[1]);
      MmaBf16(weighted[2 * pair + 1], weight, latent[2], latent[3]);
    }
  }
}

__device__ void StorePartial(const MlaDecodeCudaArgs& args, const Split& split,
                             const Running& running, const float (&weighted)[kColTiles][4]) {
  const int warp = ThreadIndex() / kWarpSize;
  const int lane = ThreadIndex() % kWarpSize;
  SEXTANT_UNROLL
  for (int half = 0; half < 2; ++half) {
    const int head = split.first_head + half * 8 + lane / 4;
    if (head >= args.num_heads) continue;
    const std::int64_t place = std::int64_t{split.index} * args.num_heads + head;
    float* to = args.partial + place * kLatentRank + warp * kWarpCols + lane % 4 * 2;
    SEXTANT_UNROLL
    for (int tile = 0; tile < kColTiles; ++tile) {
      to[tile * 8] = weighted[tile][2 * half];
      to[tile * 8 + 1] = weighted[tile][2 * half + 1];
    }
    if (warp == 0 && lane % 4 == 0) {
      args.partial_state[2 * place] = running.largest[half];
      args.partial_state[2 * place + 1] = running.sum[half];
    }
  }
}

__device__ void AttendSplit(const MlaDecodeCudaArgs& args, const Split& split,
                            const Memory& memory) {
  const int tiles = (split.count + kTileKeys - 1) / kTileKeys;
  FindSlots(args, split, memory);
  CopyQueries(args, split, memory);
  BlockBarrier();
  CopyKeys(args, split, 0, memory);
  CopyAsyncCommit();
  Running running;
  float weighted[kColTiles][4] = {};
  for (int tile = 0; tile < tiles; ++tile) {
    CopyAsyncWait<0>();
    BlockBarrier();
    if (tile + 1 < tiles) CopyKeys(args, split, tile + 1, memory);
    CopyAsyncCommit();
    const int stage = tile % kStages * kStageElements;
    float scores[4];
    ScoreKeys(memory, stage, scores);
    float rescale[2];
    Weigh(split, tile, args.scale, memory, scores, running, rescale);
    SEXTANT_UNROLL
    for (int i = 0; i < kColTiles; ++i) {
      SEXTANT_UNROLL
      for (int j = 0; j < 4; ++j) weighted[i][j] *= rescale[j / 2];
    }
    AddLatents(memory, stage, weighted);
  }
  CopyAsyncWait<0>();
  StorePartial(args, split, running, weighted);
  BlockBarrier();
}

__global__ void __launch_bounds__(kThreads) MlaDecodeKernel(MlaDecodeCudaArgs args) {
  const Memory memory;
  const int groups = (args.num_heads + kHeads - 1) / kHeads;
  const int splits = args.plan.offsets[args.rows];
  for (int i = BlockIndexX(); i < splits * groups; i += BlockCountX()) {
    const int index = i / groups;
    const int row = args.plan.rows[index];
    const int begin = (index - args.plan.offsets[row]) * kDecodeSplitCuda;
    const int left = args.lengths[row] - begin;
    AttendSplit(args,
                {.index = index,
                 .row = row,
                 .first_head = i % groups * kHeads,
                 .begin = begin,
                 .count = left < kDecodeSplitCuda ? left : kDecodeSplitCuda},
                memory);
  }
}

}  // namespace

DeviceStatus MlaDecodeCuda(DeviceStream stream, const MlaDecodeCudaArgs& args) {
  if (args.num_heads < 1 || args.block_tokens < 1 || args.blocks < 1 || args.nope < 0 ||
      args.nope % kBf16PerWords != 0 || args.rows < 0) {
    return RefuseLaunch(
        "MlaDecode: heads, block_tokens and blocks must be positive, nope in eights");
  }
  const std::int64_t q_cols = std::int64_t{args.num_heads} * (args.nope + kLatentRope);
  if (!AreVectorRows(args.q, args.q_stride, q_cols) || !IsAligned(args.latent_q) ||
      !IsAligned(args.cache) || !IsAligned(args.partial) || !IsAligned(args.u)) {
    return RefuseLaunch("MlaDecode: rows must be aligned to 16 bytes, and not overlap");
  }
  if (args.rows == 0) return {};
  RETURN_IF_DEVICE_FAILED(
      Launch(stream, {.blocks_x = args.blocks, .threads = kThreads, .shared_bytes = kSharedBytes},
             MlaDecodeKernel, args));
  return MergeSplits(stream, args);
}

}  // namespace sextant
