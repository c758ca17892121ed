#include <cmath>

#include "kernels/cuda/arguments.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/mla/latent_rows.cuh"
#include "kernels/mla/mla_prefill_cuda.h"
#include "kernels/mla/prefill_steps.cuh"

namespace sextant {
namespace {

// A block has 64 rows of one head, 16 for each of four warps: the rows of mma.m16n8k16.
constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarpSize;
constexpr int kWarpRows = 16;
constexpr int kTileRows = kWarps * kWarpRows;
constexpr int kTileKeys = kPrefillTileKeys;
constexpr int kQWidth = kPrefillNope + kLatentRope;
constexpr int kQSteps = kQWidth / 16;
constexpr int kKeyTiles = kTileKeys / 8;
constexpr int kColTiles = kPrefillV / 8;
constexpr int kHeadWidth = kPrefillNope + kPrefillV;  // of an expanded position

constexpr int kStages = 2;
constexpr int kValuesAt = kTileKeys * kQWidth;
constexpr int kStageElements = kValuesAt + kTileKeys * kPrefillV;
constexpr int kSharedBytes = kStages * kStageElements * 2;
static_assert(kTileRows * kQWidth <= kStageElements, "the queries pass through a stage");

// Chunk `chunk` of a row of `width` values; as in LatentPlace, ldmatrix meets no bank twice.
__device__ __forceinline__ int PlaceIn(int width, int row, int chunk) {
  return row * width + (chunk ^ (row % 8)) * kBf16PerWords;
}

struct Tile {
  int first_row;
  int head;
};

__device__ void CopyQueries(const MlaPrefillCudaArgs& args, const Tile& tile, int to,
                            SharedSpan<Bf16> memory) {
  constexpr int kChunks = kQWidth / kBf16PerWords;
  const Bf16* q = args.q + std::int64_t{tile.head} * kQWidth;
  for (int i = ThreadIndex(); i < kTileRows * kChunks; i += kThreads) {
    const int row = tile.first_row + i / kChunks;
    CopyAsync16(memory, to + PlaceIn(kQWidth, i / kChunks, i % kChunks),
                q + row * args.q_stride + i % kChunks * kBf16PerWords, row < args.rows);
  }
}

// Keys and values of positions first_key ...; zeros from the span's end on.
__device__ void CopyKeys(const MlaPrefillCudaArgs& args, PrefillSpan span, int head, int first_key,
                         int to, SharedSpan<Bf16> memory) {
  const std::int64_t stride = std::int64_t{args.num_heads} * kHeadWidth;
  const Bf16* expanded = args.expanded + std::int64_t{head} * kHeadWidth;
  constexpr int kChunks = kPrefillNope / kBf16PerWords;
  static_assert(kPrefillV == kPrefillNope);
  SEXTANT_DO_NOT_UNROLL
  for (int i = ThreadIndex(); i < kTileKeys * kChunks; i += kThreads) {
    const int row = i / kChunks;
    const int chunk = i % kChunks;
    const bool valid = first_key + row < span.end;
    const Bf16* from = expanded + (first_key + row - span.begin) * stride + chunk * kBf16PerWords;
    CopyAsync16(memory, to + PlaceIn(kQWidth, row, chunk), from, valid);
    CopyAsync16(memory, to + kValuesAt + PlaceIn(kPrefillV, row, chunk), from + kPrefillNope,
                valid);
  }
  constexpr int kRopeChunks = kLatentRope / kBf16PerWords;
  SEXTANT_DO_NOT_UNROLL
  for (int i = ThreadIndex(); i < kTileKeys * kRopeChunks; i += kThreads) {
    const int row = i / kRopeChunks;
    const int chunk = i % kRopeChunks;
    const bool valid = first_key + row < span.end;
    const int slot = valid ? SlotOf(args.block_table, args.block_tokens, first_key + row) : 0;
    CopyAsync16(
        memory, to + PlaceIn(kQWidth, row, kChunks + chunk),
        args.cache + std::int64_t{slot} * kLatentWidth + kLatentRank + chunk * kBf16PerWords,
        valid);
  }
}

// What a thread has of its warp's rows: rows lane / 4 and + 8, of eight neighbours' columns each
// two.
struct Running {
  float largest[2] = {-INFINITY, -INFINITY};
  float sum[2] = {0.0F, 0.0F};
  float out[kColTiles][4] = {};
};

__device__ void ScoreKeys(SharedSpan<Bf16> memory, int stage, const std::uint32_t (&q)[kQSteps][4],
                          float (&scores)[kKeyTiles][4]) {
  const int lane = ForThisRound(ThreadIndex() % kWarpSize);
  SEXTANT_UNROLL
  for (int i = 0; i < kKeyTiles; ++i) {
    SEXTANT_UNROLL
    for (int j = 0; j < 4; ++j) scores[i][j] = 0.0F;
  }
  SEXTANT_UNROLL
  for (int step = 0; step < kQSteps; ++step) {
    SEXTANT_UNROLL
    for (int pair = 0; pair < kKeyTiles / 2; ++pair) {
      std::uint32_t key[4];
      const int row = pair * 16 + lane / 16 * 8 + lane % 8;
      LoadMatrix4(key, memory, stage + PlaceIn(kQWidth, row, 2 * step + lane / 8 % 2));
      MmaBf16(scores[2 * pair], q[step], key[0], key[1]);
      MmaBf16(scores[2 * pair + 1], q[step], key[2], key[3]);
    }
  }
}

// Scores become weights; a key later than `position`, that of the thread's first row, has none.
__device__ void Weigh(float scale, int position, int first_key, float (&scores)[kKeyTiles][4],
                      Running& running) {
  const int lane = ThreadIndex() % kWarpSize;
  SEXTANT_UNROLL
  for (int half = 0; half < 2; ++half) {
    float most = running.largest[half];
    SEXTANT_UNROLL
    for (int tile = 0; tile < kKeyTiles; ++tile) {
      SEXTANT_UNROLL
      for (int side = 0; side < 2; ++side) {
        float& score = scores[tile][2 * half + side];
        const int key = first_key + tile * 8 + lane % 4 * 2 + side;
        score = key <= position + half * 8 ? score * scale : -INFINITY;
        most = fmaxf(most, score);
      }
    }
    most = QuadMax(most);
    const float rescale = expf(running.largest[half] - most);
    running.largest[half] = most;
    float sum = 0.0F;
    SEXTANT_UNROLL
    for (int tile = 0; tile < kKeyTiles; ++tile) {
      SEXTANT_UNROLL
      for (int side = 0; side < 2; ++side) {
        float& score = scores[tile][2 * half + side];
        score = expf(score - most);
        sum += score;
      }
    }
    running.sum[half] = fmaf(running.sum[half], rescale, QuadSum(sum));
    SEXTANT_UNROLL
    for (int tile = 0; tile < kColTiles; ++tile) {
      running.out[tile][2 * half] *= rescale;
      running.out[tile][2 * half + 1] *= rescale;
    }
  }
}

__device__ void AddValues(SharedSpan<Bf16> memory, int stage, const float (&weights)[kKeyTiles][4],
                          Running& running) {
  const int lane = ForThisRound(ThreadIndex() % kWarpSize);
  SEXTANT_UNROLL
  for (int step = 0; step < kTileKeys / 16; ++step) {
    const float(&low)[4] = weights[2 * step];
    const float(&high)[4] = weights[2 * step + 1];
    const std::uint32_t weight[4] = {PackBf16(low[0], low[1]), PackBf16(low[2], low[3]),
                                     PackBf16(high[0], high[1]), PackBf16(high[2], high[3])};
    SEXTANT_UNROLL
    for (int pair = 0; pair < kColTiles / 2; ++pair) {
      std::uint32_t value[4];
      LoadMatrixTransposed4(
          value, memory,
          stage + kValuesAt + PlaceIn(kPrefillV, step * 16 + lane % 16, 2 * pair + lane / 16));
      MmaBf16(running.out[2 * pair], weight, value[0], value[1]);
      MmaBf16(running.out[2 * pair + 1], weight, value[2], value[3]);
    }
  }
}

// The thread's rows: their states go to or come from global memory, or their outputs do.
struct ThreadRows {
  const MlaPrefillCudaArgs& args;
  Tile tile;

  __device__ int Row(int half) const {
    return tile.first_row + ThreadIndex() / kWarpSize * kWarpRows + half * 8 +
           ThreadIndex() % kWarpSize / 4;
  }
  __device__ float* State(int half) const {
    return args.state +
           (std::int64_t{Row(half)} * args.num_heads + tile.head) * kPrefillStateFloats;
  }
  // visit(half, column, accumulator tile, first index) for every two neighbours.
  template <typename Visit>
  __device__ void Each(Visit visit) const {
    SEXTANT_UNROLL
    for (int half = 0; half < 2; ++half) {
      if (Row(half) >= args.rows) continue;
      SEXTANT_UNROLL
      for (int i = 0; i < kColTiles; ++i) {
        visit(half, i * 8 + ThreadIndex() % 4 * 2, i, 2 * half);
      }
    }
  }

  __device__ void LoadState(Running& running) const {
    Each([&](int half, int col, int i, int j) {
      const float* state = State(half);
      running.largest[half] = state[0];
      running.sum[half] = state[1];
      running.out[i][j] = state[2 + col];
      running.out[i][j + 1] = state[2 + col + 1];
    });
  }
  __device__ void StoreState(const Running& running) const {
    Each([&](int half, int col, int i, int j) {
      float* state = State(half);
      if (col == 0) {
        state[0] = running.largest[half];
        state[1] = running.sum[half];
      }
      state[2 + col] = running.out[i][j];
      state[2 + col + 1] = running.out[i][j + 1];
    });
  }
  __device__ void StoreOutput(const Running& running) const {
    Each([&](int half, int col, int i, int j) {
      Bf16* to = args.out + Row(half) * args.out_stride + tile.head * kPrefillV + col;
      const float inverse = 1.0F / running.sum[half];
      StorePair(to, PackBf16(running.out[i][j] * inverse, running.out[i][j + 1] * inverse));
    });
  }
};

__global__ void __launch_bounds__(kThreads)
    MlaPrefillKernel(MlaPrefillCudaArgs args, PrefillSpan span) {
  const auto memory = BlockShared<Bf16>(0, kStages * kStageElements);
  // The last rows see most keys, and begin first.
  const int tiles = (args.rows + kTileRows - 1) / kTileRows;
  const Tile tile{(tiles - 1 - BlockIndexX()) * kTileRows, BlockIndexY()};
  const int rows_left = args.rows - tile.first_row;
  const int last_position =
      args.start + tile.first_row + (rows_left < kTileRows ? rows_left : kTileRows) - 1;
  if (last_position < span.begin) return;
  const int end = last_position < span.end ? last_position + 1 : span.end;
  const int key_tiles = (end - span.begin + kTileKeys - 1) / kTileKeys;

  CopyQueries(args, tile, kStageElements, memory);
  CopyAsyncCommit();
  CopyKeys(args, span, tile.head, span.begin, 0, memory);
  CopyAsyncCommit();
  const ThreadRows rows{args, tile};
  Running running;
  if (span.begin > 0) rows.LoadState(running);
  CopyAsyncWait<1>();
  BlockBarrier();
  const int lane = ThreadIndex() % kWarpSize;
  const int warp_row = ThreadIndex() / kWarpSize * kWarpRows;
  std::uint32_t q[kQSteps][4];
  SEXTANT_UNROLL
  for (int step = 0; step < kQSteps; ++step) {
    LoadMatrix4(q[step], memory,
                kStageElements + PlaceIn(kQWidth, warp_row + lane % 16, 2 * step + lane / 16));
  }
  for (int i = 0; i < key_tiles; ++i) {
    CopyAsyncWait<0>();
    BlockBarrier();
    const int first_key = span.begin + i * kTileKeys;
    if (i + 1 < key_tiles) {
      CopyKeys(args, span, tile.head, first_key + kTileKeys, (i + 1) % kStages * kStageElements,
               memory);
    }
    CopyAsyncCommit();
    const int stage = i % kStages * kStageElements;
    float scores[kKeyTiles][4];
    ScoreKeys(memory, stage, q, scores);
    Weigh(args.scale, args.start + rows.Row(0), first_key, scores, running);
    AddValues(memory, stage, scores, running);
  }
  CopyAsyncWait<0>();
  if (last_position < span.end) {
    rows.StoreOutput(running);
  } else {
    rows.StoreState(running);
  }
}

}  // namespace

DeviceStatus AttendToSpan(DeviceStream stream, const MlaPrefillCudaArgs& args, PrefillSpan span) {
  return Launch(stream,
                {.blocks_x = DivideUp(args.rows, kTileRows),
                 .blocks_y = args.num_heads,
                 .threads = kThreads,
                 .shared_bytes = kSharedBytes},
                MlaPrefillKernel, args, span);
}

DeviceStatus MlaPrefillCuda(DeviceStream stream, const MlaPrefillCudaArgs& args) {
  if (args.num_heads < 1 || args.block_tokens < 1 || args.start < 0 || args.rows < 0 ||
      args.span_keys < kTileKeys || args.span_keys % kTileKeys != 0) {
    return RefuseLaunch(
        "MlaPrefill: heads and blocks must be positive, spans a multiple of 64 keys");
  }
  if (!AreVectorRows(args.q, args.q_stride, std::int64_t{args.num_heads} * kQWidth) ||
      !AreVectorRows(args.out, args.out_stride, std::int64_t{args.num_heads} * kPrefillV) ||
      !IsAligned(args.kv_b) || !IsAligned(args.cache) || !IsAligned(args.expanded)) {
    return RefuseLaunch("MlaPrefill: rows must be aligned to 16 bytes, and not overlap");
  }
  const int end = args.start + args.rows;
  if (end > args.span_keys && args.state == nullptr) {
    return RefuseLaunch("MlaPrefill: more than one span of keys needs room for the rows' state");
  }
  if (args.rows == 0) return {};
  for (int begin = 0; begin < end; begin += args.span_keys) {
    const PrefillSpan span{begin, end - begin < args.span_keys ? end : begin + args.span_keys};
    RETURN_IF_DEVICE_FAILED(ExpandLatents(stream, args, span));
    RETURN_IF_DEVICE_FAILED(AttendToSpan(stream, args, span));
  }
  return {};
}

}  // namespace sextant
