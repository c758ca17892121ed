#include "kernels/mla/mla_decode.h"

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

absl::Status CheckArgs(const MlaDecodeArgs& args) {
  RETURN_IF_ERROR(CheckMlaShapes(args.dims, args.cache, args.kv_b, args.precision));
  const std::int64_t q_cols = args.dims.num_heads * args.dims.q_width();
  const std::int64_t out_cols = args.dims.num_heads * args.dims.v;
  if (args.q.cols != q_cols || args.out.rows != args.q.rows || args.out.cols != out_cols ||
      static_cast<std::int64_t>(args.rows.size()) != args.q.rows) {
    return absl::InvalidArgumentError(
        absl::StrCat("MlaDecode: q is [", args.q.rows, ", ", args.q.cols, "], out [", args.out.rows,
                     ", ", args.out.cols, "], with ", args.rows.size(),
                     " rows, but heads make q [B, ", q_cols, "] and out [B, ", out_cols, "]"));
  }
  for (const MlaDecodeRow& row : args.rows) {
    if (row.length < 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("MlaDecode: a row sees itself, so its length cannot be ", row.length));
    }
    RETURN_IF_ERROR(CheckBlockTable(row.blocks, row.length, args.cache));
  }
  return absl::OkStatus();
}

// Bytes of partial results that are held at a time, if more than one row's.
constexpr std::int64_t kPartialBytes = 48 << 20;
// Rows that one task with kv_b takes, so that they share its reading.
constexpr std::int64_t kWeightRows = 16;

constexpr std::int64_t CeilDivide(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

std::int64_t SplitsOf(const MlaDecodeRow& row) { return CeilDivide(row.length, kDecodeSplit); }

// A run of rows whose partial results fit in memory together.
class DecodeRows {
 public:
  DecodeRows(Stream& stream, const MlaDecodeArgs& args, const MlaKernels& kernels,
             std::int64_t first, std::int64_t count, ScratchScope& scope);
  void Run();

 private:
  struct SplitOfRow {
    std::int64_t row;
    std::int64_t split;
  };

  void AbsorbQueries();
  void AttendSplits();
  void MergeSplits();
  void UnabsorbValues();
  [[nodiscard]] WeightRows KvB(std::int64_t row) const {
    const WeightView rows = args_.kv_b.Rows(row, 1);
    return {rows.data, rows.dtype == DType::kBf16, rows.cols};
  }
  [[nodiscard]] const MlaDecodeRow& Row(std::int64_t row) const {
    return args_.rows[static_cast<std::size_t>(first_ + row)];
  }

  Stream& stream_;
  const MlaDecodeArgs& args_;
  const MlaKernels& kernels_;
  std::int64_t first_;
  std::int64_t count_;
  std::int64_t heads_;          // rounded up to lanes
  std::int64_t weighted_size_;  // floats of one split's weighted sums
  std::vector<SplitOfRow> splits_;
  std::vector<std::int64_t> first_split_;  // of each row, in splits_
  float* latent_q_;                        // [count, N, R + rope]
  float* packed_q_;                        // [count, heads / lanes, units, lanes]
  float* u_;                               // [count, N, R]
  float* largest_;                         // [splits, heads]
  float* sum_;                             // [splits, heads]
  float* weighted_;                        // [splits, weighted_size]
  std::vector<float*> workspace_;          // per worker
};

DecodeRows::DecodeRows(Stream& stream, const MlaDecodeArgs& args, const MlaKernels& kernels,
                       std::int64_t first, std::int64_t count, ScratchScope& scope)
    : stream_(stream), args_(args), kernels_(kernels), first_(first), count_(count) {
  const MlaDims& dims = args.dims;
  heads_ = kernels.PadToLanes(dims.num_heads);
  weighted_size_ = heads_ * kernels.PadToLanes(dims.rank);
  for (std::int64_t row = 0; row < count; ++row) {
    first_split_.push_back(static_cast<std::int64_t>(splits_.size()));
    for (std::int64_t split = 0; split < SplitsOf(Row(row)); ++split) {
      splits_.push_back({row, split});
    }
  }
  const auto splits = static_cast<std::int64_t>(splits_.size());
  latent_q_ = scope.Allocate<float>(count * dims.num_heads * dims.cache_width());
  packed_q_ = scope.Allocate<float>(count * heads_ * kernels.Units(dims.cache_width()));
  u_ = scope.Allocate<float>(count * dims.num_heads * dims.rank);
  largest_ = scope.Allocate<float>(splits * heads_);
  sum_ = scope.Allocate<float>(splits * heads_);
  weighted_ = scope.Allocate<float>(splits * weighted_size_);
  const std::int64_t workspace = SplitWorkspace(kernels, dims.cache_width(), dims.rank);
  for (int worker = 0; worker < stream.pool().num_threads(); ++worker) {
    workspace_.push_back(scope.Allocate<float>(workspace));
  }
}

void DecodeRows::AbsorbQueries() {
  const MlaDims& dims = args_.dims;
  const std::int64_t row_groups = CeilDivide(count_, kWeightRows);
  stream_.pool().ParallelFor(dims.num_heads * row_groups, [&](std::int64_t task, int) {
    const std::int64_t head = task / row_groups;
    const std::int64_t row = task % row_groups * kWeightRows;
    kernels_.absorb({.q = args_.q.Row(first_ + row) + head * dims.q_width(),
                     .q_stride = args_.q.stride,
                     .rows = std::min(kWeightRows, count_ - row),
                     .nope = dims.nope,
                     .rope = dims.rope,
                     .uk = KvB(head * (dims.nope + dims.v)),
                     .round = args_.precision == Precision::kBf16,
                     .latent_q = latent_q_ + (row * dims.num_heads + head) * dims.cache_width(),
                     .latent_q_stride = dims.num_heads * dims.cache_width()});
  });
  stream_.pool().ParallelFor(count_, [&](std::int64_t row, int) {
    kernels_.pack_rows({.rows = latent_q_ + row * dims.num_heads * dims.cache_width(),
                        .stride = dims.cache_width(),
                        .count = dims.num_heads,
                        .cols = dims.cache_width(),
                        .packed = packed_q_ + row * heads_ * kernels_.Units(dims.cache_width())});
  });
}

void DecodeRows::AttendSplits() {
  const MlaDims& dims = args_.dims;
  const auto splits = static_cast<std::int64_t>(splits_.size());
  stream_.pool().ParallelFor(splits, [&](std::int64_t task, int worker) {
    const auto [number, split] = splits_[static_cast<std::size_t>(task)];
    const MlaDecodeRow& row = Row(number);
    kernels_.split({.latents = RowsOf(args_.cache, row.blocks, dims.rank),
                    .position = split * kDecodeSplit,
                    .count = std::min(kDecodeSplit, row.length - split * kDecodeSplit),
                    .packed_q = packed_q_ + number * heads_ * kernels_.Units(dims.cache_width()),
                    .num_heads = dims.num_heads,
                    .scale = args_.scale,
                    .largest = largest_ + task * heads_,
                    .sum = sum_ + task * heads_,
                    .weighted = weighted_ + task * weighted_size_,
                    .workspace = workspace_[static_cast<std::size_t>(worker)]});
  });
}

void DecodeRows::MergeSplits() {
  const MlaDims& dims = args_.dims;
  const std::int64_t groups = heads_ / kernels_.lanes;
  stream_.pool().ParallelFor(count_ * groups, [&](std::int64_t task, int) {
    const std::int64_t row = task / groups;
    const std::int64_t head = task % groups * kernels_.lanes;
    const std::int64_t split = first_split_[static_cast<std::size_t>(row)];
    kernels_.merge(
        {.largest = largest_ + split * heads_ + head,
         .sum = sum_ + split * heads_ + head,
         .weighted = weighted_ + split * weighted_size_ + head * kernels_.PadToLanes(dims.rank),
         .splits = SplitsOf(Row(row)),
         .state_stride = heads_,
         .weighted_stride = weighted_size_,
         .heads = std::min(kernels_.lanes, dims.num_heads - head),
         .rank = dims.rank,
         .u = u_ + (row * dims.num_heads + head) * dims.rank,
         .u_stride = dims.rank});
  });
}

void DecodeRows::UnabsorbValues() {
  const MlaDims& dims = args_.dims;
  const std::int64_t row_groups = CeilDivide(count_, kWeightRows);
  stream_.pool().ParallelFor(dims.num_heads * row_groups, [&](std::int64_t task, int) {
    const std::int64_t head = task / row_groups;
    const std::int64_t row = task % row_groups * kWeightRows;
    kernels_.unabsorb({.u = u_ + (row * dims.num_heads + head) * dims.rank,
                       .u_stride = dims.num_heads * dims.rank,
                       .rows = std::min(kWeightRows, count_ - row),
                       .rank = dims.rank,
                       .v = dims.v,
                       .uv = KvB(head * (dims.nope + dims.v) + dims.nope),
                       .round = args_.precision == Precision::kBf16,
                       .out = args_.out.Row(first_ + row) + head * dims.v,
                       .out_stride = args_.out.stride});
  });
}

void DecodeRows::Run() {
  AbsorbQueries();
  AttendSplits();
  MergeSplits();
  UnabsorbValues();
}

}  // namespace

absl::Status MlaDecode(Stream& stream, const MlaDecodeArgs& args) {
  RETURN_IF_ERROR(CheckArgs(args));
  if (stream.backend() == Backend::kReference) {
    MlaDecodeReference(args);
    return absl::OkStatus();
  }
  const MlaKernels kernels = KernelsFor(stream.backend(), args.precision, args.kv_b.dtype);
  const std::int64_t split_bytes =
      4 * kernels.PadToLanes(args.dims.num_heads) * kernels.PadToLanes(args.dims.rank);
  for (std::int64_t first = 0; first < args.q.rows;) {
    std::int64_t count = 0;
    std::int64_t bytes = 0;
    while (first + count < args.q.rows) {
      bytes += split_bytes * SplitsOf(args.rows[static_cast<std::size_t>(first + count)]);
      if (count > 0 && bytes > kPartialBytes) break;
      ++count;
    }
    ScratchScope scope(stream.scratch());
    DecodeRows(stream, args, kernels, first, count, scope).Run();
    first += count;
  }
  return absl::OkStatus();
}

}  // namespace sextant
