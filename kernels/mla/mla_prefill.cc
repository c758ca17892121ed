#include "kernels/mla/mla_prefill.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/device/scratch.h"
#include "kernels/mla/mla_backend.h"
#include "kernels/mla/mla_kernels.h"
#include "kernels/mla/mla_reference.h"

namespace sextant {
namespace {

absl::Status CheckArgs(const MlaPrefillArgs& args) {
  RETURN_IF_ERROR(CheckMlaShapes(args.dims, args.cache, args.kv_b, args.precision));
  const std::int64_t q_cols = args.dims.num_heads * args.dims.q_width();
  const std::int64_t out_cols = args.dims.num_heads * args.dims.v;
  if (args.q.cols != q_cols || args.out.rows != args.q.rows || args.out.cols != out_cols ||
      args.start < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("MlaPrefill: q is [", args.q.rows, ", ", args.q.cols, "], out [",
                     args.out.rows, ", ", args.out.cols, "], start ", args.start,
                     ", but heads make q [T, ", q_cols, "] and out [T, ", out_cols, "]"));
  }
  return CheckBlockTable(args.blocks, args.start + args.q.rows, args.cache);
}

// Bytes of expanded keys and values, and of packed weights, that are held at a time.
constexpr std::int64_t kExpandedBytes = 48 << 20;
// Heads that one expansion task takes, so that they share what it gathers of the latents.
constexpr std::int64_t kExpandHeads = 4;

constexpr std::int64_t CeilDivide(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// One call: its sizes, and the memory of a group of heads.
class Prefill {
 public:
  Prefill(Stream& stream, const MlaPrefillArgs& args, const MlaKernels& kernels,
          ScratchScope& scope);
  void Run();

 private:
  struct Head {
    float* packed_uk;
    float* packed_uv;
    float* keys;
    float* values;
    float* largest;  // [rows rounded up to tiles]
    float* sum;
  };

  void PackWeights(std::int64_t first_head, std::int64_t heads);
  void ExpandSpan(std::int64_t span_begin, std::int64_t heads);
  void AttendSpan(std::int64_t span_begin, std::int64_t first_head, std::int64_t heads);
  [[nodiscard]] WeightRows KvB(std::int64_t row) const {
    const WeightView rows = args_.kv_b.Rows(row, 1);
    return {rows.data, rows.dtype == DType::kBf16, rows.cols};
  }

  Stream& stream_;
  const MlaPrefillArgs& args_;
  const MlaKernels& kernels_;
  std::int64_t length_;     // keys in all
  std::int64_t span_keys_;  // room for keys, whole expansion tasks
  std::int64_t q_units_;
  std::int64_t tile_rows_;
  std::int64_t tiles_;
  std::vector<Head> heads_;               // of a group
  std::vector<float*> attend_workspace_;  // per worker
  std::vector<float*> widened_;           // per worker
};

Prefill::Prefill(Stream& stream, const MlaPrefillArgs& args, const MlaKernels& kernels,
                 ScratchScope& scope)
    : stream_(stream), args_(args), kernels_(kernels) {
  const MlaDims& dims = args.dims;
  length_ = args.start + args.q.rows;
  span_keys_ = CeilDivide(std::min(length_, kPrefillSpan), kExpandKeys) * kExpandKeys;
  q_units_ = kernels.Units(dims.q_width());
  tile_rows_ = kTileVectors * kernels.lanes;
  tiles_ = CeilDivide(args.q.rows, tile_rows_);
  const std::int64_t uk = kernels.PadToLanes(dims.nope) * kernels.Units(dims.rank);
  const std::int64_t uv = kernels.PadToLanes(dims.v) * kernels.Units(dims.rank);
  const std::int64_t keys = span_keys_ * q_units_;
  const std::int64_t values = kernels.PadToLanes(dims.v) * kernels.Units(span_keys_);
  const std::int64_t head_bytes = 4 * (uk + uv + keys + values);
  const std::int64_t group =
      std::clamp<std::int64_t>(kExpandedBytes / head_bytes, 1, dims.num_heads);
  for (std::int64_t head = 0; head < group; ++head) {
    heads_.push_back({.packed_uk = scope.Allocate<float>(uk),
                      .packed_uv = scope.Allocate<float>(uv),
                      .keys = scope.Allocate<float>(keys),
                      .values = scope.Allocate<float>(values),
                      .largest = scope.Allocate<float>(tiles_ * tile_rows_),
                      .sum = scope.Allocate<float>(tiles_ * tile_rows_)});
  }
  const std::int64_t workspace = AttendWorkspace(kernels, span_keys_, dims.q_width(), dims.v);
  for (int worker = 0; worker < stream.pool().num_threads(); ++worker) {
    attend_workspace_.push_back(scope.Allocate<float>(workspace));
    widened_.push_back(scope.Allocate<float>(kExpandKeys * dims.cache_width()));
  }
}

void Prefill::PackWeights(std::int64_t first_head, std::int64_t heads) {
  const MlaDims& dims = args_.dims;
  stream_.pool().ParallelFor(2 * heads, [&](std::int64_t task, int) {
    const Head& head = heads_[static_cast<std::size_t>(task / 2)];
    const std::int64_t row = (first_head + task / 2) * (dims.nope + dims.v);
    if (task % 2 == 0) {
      kernels_.pack_weights({KvB(row), dims.nope, head.packed_uk});
    } else {
      kernels_.pack_weights({KvB(row + dims.nope), dims.v, head.packed_uv});
    }
  });
}

void Prefill::ExpandSpan(std::int64_t span_begin, std::int64_t heads) {
  const MlaDims& dims = args_.dims;
  const std::int64_t keys = std::min(length_ - span_begin, kPrefillSpan);
  const std::int64_t head_groups = CeilDivide(heads, kExpandHeads);
  const std::int64_t tasks = CeilDivide(keys, kExpandKeys) * head_groups;
  stream_.pool().ParallelFor(tasks, [&](std::int64_t task, int worker) {
    const std::int64_t key = task / head_groups * kExpandKeys;
    const std::int64_t begin = task % head_groups * kExpandHeads;
    for (std::int64_t i = begin; i < std::min(begin + kExpandHeads, heads); ++i) {
      const Head& head = heads_[static_cast<std::size_t>(i)];
      kernels_.expand({.latents = RowsOf(args_.cache, args_.blocks, dims.rank),
                       .position = span_begin + key,
                       .count = std::min(kExpandKeys, keys - key),
                       .nope = dims.nope,
                       .v = dims.v,
                       .packed_uk = head.packed_uk,
                       .packed_uv = head.packed_uv,
                       .keys = head.keys + key * q_units_,
                       .key_stride = q_units_,
                       .values = head.values + kernels_.Units(key) * kernels_.tile_height,
                       .value_panel_units = kernels_.Units(span_keys_),
                       .widened = widened_[static_cast<std::size_t>(worker)]});
    }
  });
}

void Prefill::AttendSpan(std::int64_t span_begin, std::int64_t first_head, std::int64_t heads) {
  const MlaDims& dims = args_.dims;
  // Tiles whose rows all come before the span have nothing to see in it.
  const std::int64_t first_tile = std::max<std::int64_t>(0, span_begin - args_.start) / tile_rows_;
  const std::int64_t tiles = tiles_ - first_tile;
  stream_.pool().ParallelFor(heads * tiles, [&](std::int64_t task, int worker) {
    const Head& head = heads_[static_cast<std::size_t>(task / tiles)];
    // The latest rows see the most keys: they go first, so that the last task is a short one.
    const std::int64_t row = (tiles_ - 1 - task % tiles) * tile_rows_;
    const std::int64_t number = first_head + task / tiles;
    kernels_.attend({.q = args_.q.Row(row) + number * dims.q_width(),
                     .q_stride = args_.q.stride,
                     .rows = std::min(tile_rows_, args_.q.rows - row),
                     .position = args_.start + row,
                     .span_begin = span_begin,
                     .keys = head.keys,
                     .q_units = q_units_,
                     .values = head.values,
                     .value_panel_units = kernels_.Units(span_keys_),
                     .v = dims.v,
                     .scale = args_.scale,
                     .round = args_.precision == Precision::kBf16,
                     .out = args_.out.Row(row) + number * dims.v,
                     .out_stride = args_.out.stride,
                     .largest = head.largest + row,
                     .sum = head.sum + row,
                     .workspace = attend_workspace_[static_cast<std::size_t>(worker)]});
  });
}

void Prefill::Run() {
  const auto group = static_cast<std::int64_t>(heads_.size());
  for (std::int64_t first = 0; first < args_.dims.num_heads; first += group) {
    const std::int64_t heads = std::min(group, args_.dims.num_heads - first);
    PackWeights(first, heads);
    for (std::int64_t begin = 0; begin < length_; begin += kPrefillSpan) {
      ExpandSpan(begin, heads);
      AttendSpan(begin, first, heads);
    }
  }
}

}  // namespace

absl::Status MlaPrefill(Stream& stream, const MlaPrefillArgs& args) {
  RETURN_IF_ERROR(CheckArgs(args));
  if (args.q.rows == 0) return absl::OkStatus();
  if (stream.backend() == Backend::kReference) {
    MlaPrefillReference(args);
    return absl::OkStatus();
  }
  const MlaKernels kernels = KernelsFor(stream.backend(), args.precision, args.kv_b.dtype);
  ScratchScope scope(stream.scratch());
  Prefill(stream, args, kernels, scope).Run();
  return absl::OkStatus();
}

}  // namespace sextant
