// The inner parts of prefill and decode, per profile: what mla_prefill.cc and mla_decode.cc share
// out over threads.
//
// Everything is counted in units of 32 bits: one f32, or under bf16 arithmetic a pair of bf16
// neighbours, which is what one lane of a bf16 dot product takes. Three layouts occur:
//   rows    [row][unit]: as in memory
//   lanes   [row / lanes][unit][lanes]: `lanes` rows side by side, one per vector lane
//   panels  [row / height][unit][height]: the same, but as high as a product's tile
// A product takes one operand as rows or panels, whose units it broadcasts, and the other as lanes.
#pragma once

#include <cstdint>

namespace sextant {

// Prefill takes keys in spans, decode in splits; both are positions, counted from 0.
inline constexpr std::int64_t kPrefillSpan = 4096;
inline constexpr std::int64_t kDecodeSplit = 256;
// Keys that one expansion task takes, and vectors of rows that one attention tile takes.
inline constexpr std::int64_t kExpandKeys = 64;
inline constexpr std::int64_t kTileVectors = 3;
// Keys whose weights are packed at a time.
inline constexpr std::int64_t kWeightedKeys = 256;

struct LatentRows {
  const void* data;            // the layer's cache
  bool is_bf16;                // else f32
  const std::int32_t* blocks;  // the sequence's block table
  std::int64_t block_tokens;
  std::int64_t width;  // R + rope
  std::int64_t rank;   // R
};

struct WeightRows {
  const void* data;  // the first row
  bool is_bf16;      // else f32
  std::int64_t cols;
};

// `count` weight rows into lanes, rows past the end as zeros.
struct PackWeightsTask {
  WeightRows weight;
  std::int64_t count;
  float* packed;  // [ceil(count / lanes)][units of R][lanes]
};

// Keys and values of one head at positions position .. position + count - 1.
struct ExpandTask {
  LatentRows latents;
  std::int64_t position;
  std::int64_t count;  // at most kExpandKeys
  std::int64_t nope;
  std::int64_t v;
  const float* packed_uk;          // lanes
  const float* packed_uv;          // lanes
  float* keys;                     // rows [.. + tile height][units of nope + rope]
  std::int64_t key_stride;         // units
  float* values;                   // panels of v, from this task's first unit on
  std::int64_t value_panel_units;  // units of a panel
  float* widened;                  // [kExpandKeys, R + rope] of temporary memory
};

// A tile of one head's rows over one span of expanded keys.
struct AttendTask {
  const float* q;  // the first row's q of this head
  std::int64_t q_stride;
  std::int64_t rows;        // at most kTileVectors * lanes
  std::int64_t position;    // of the first row
  std::int64_t span_begin;  // position of the first key
  const float* keys;        // as ExpandTask made them
  std::int64_t q_units;     // units of nope + rope
  const float* values;
  std::int64_t value_panel_units;
  std::int64_t v;
  float scale;
  bool round;  // Precision::kBf16
  float* out;  // the first row's output of this head
  std::int64_t out_stride;
  float* largest;    // [rows] running state over spans
  float* sum;        // [rows]
  float* workspace;  // MlaKernels::attend_workspace floats
};

// q~ of one head for some rows: [rows, nope] times UK_h [nope, R].
struct AbsorbTask {
  const float* q;
  std::int64_t q_stride;
  std::int64_t rows;
  std::int64_t nope;
  std::int64_t rope;
  WeightRows uk;
  bool round;
  float* latent_q;  // [q~ | q_r] of the first row
  std::int64_t latent_q_stride;
};

// Some rows into lanes: the heads' latent queries of one decode row.
struct PackRowsTask {
  const float* rows;
  std::int64_t stride;
  std::int64_t count;
  std::int64_t cols;
  float* packed;
};

// All heads of one decode row over one split.
struct SplitTask {
  LatentRows latents;
  std::int64_t position;  // of the first key
  std::int64_t count;     // at most kDecodeSplit
  const float* packed_q;  // lanes: heads
  std::int64_t num_heads;
  float scale;
  float* largest;    // [heads rounded up to lanes] out
  float* sum;        // [heads rounded up to lanes] out
  float* weighted;   // [heads / lanes][R rounded up to lanes][lanes] out
  float* workspace;  // MlaKernels::split_workspace floats
};

// The splits of one decode row and one vector of heads, merged in order: u of each head.
struct MergeTask {
  const float* largest;   // of split 0
  const float* sum;       // of split 0
  const float* weighted;  // of split 0
  std::int64_t splits;
  std::int64_t state_stride;     // floats from split to split
  std::int64_t weighted_stride;  // floats from split to split
  std::int64_t heads;            // at most lanes
  std::int64_t rank;
  float* u;  // [heads, R] out
  std::int64_t u_stride;
};

// o_h = UV_h u of one head for some rows.
struct UnabsorbTask {
  const float* u;
  std::int64_t u_stride;
  std::int64_t rows;
  std::int64_t rank;
  std::int64_t v;
  WeightRows uv;
  bool round;
  float* out;
  std::int64_t out_stride;
};

struct MlaKernels {
  std::int64_t lanes;
  std::int64_t tile_height;
  std::int64_t per_unit;  // values in a unit
  void (*pack_weights)(const PackWeightsTask& task);
  void (*expand)(const ExpandTask& task);
  void (*attend)(const AttendTask& task);
  void (*absorb)(const AbsorbTask& task);
  void (*pack_rows)(const PackRowsTask& task);
  void (*split)(const SplitTask& task);
  void (*merge)(const MergeTask& task);
  void (*unabsorb)(const UnabsorbTask& task);

  [[nodiscard]] std::int64_t Units(std::int64_t values) const { return values / per_unit; }
  [[nodiscard]] std::int64_t PadToLanes(std::int64_t rows) const {
    return (rows + lanes - 1) / lanes * lanes;
  }
};

// `bf16_pairs`: cache and weights are bf16 and results are rounded, so that the processor's bf16
// dot products may be used where it has them. `round` is Precision::kBf16.
MlaKernels MlaKernelsAvx2(bool round);
MlaKernels MlaKernelsAvx512(bool round, bool bf16_pairs);

// Floats of temporary memory that a worker needs.
inline std::int64_t AttendWorkspace(const MlaKernels& kernels, std::int64_t span_keys,
                                    std::int64_t q_width, std::int64_t v) {
  const std::int64_t tile = kTileVectors * kernels.lanes;
  return tile * (kernels.Units(q_width) + span_keys + kernels.tile_height +
                 kernels.Units(kWeightedKeys) + kernels.PadToLanes(v)) +
         kernels.lanes * kernels.lanes;
}
inline std::int64_t SplitWorkspace(const MlaKernels& kernels, std::int64_t cache_width,
                                   std::int64_t rank) {
  const std::int64_t tile = kTileVectors * kernels.lanes;
  return tile * (kDecodeSplit + kernels.tile_height + kernels.Units(kWeightedKeys)) +
         kDecodeSplit * cache_width + kernels.PadToLanes(rank) * kDecodeSplit;
}

}  // namespace sextant
