#include <cmath>

#include "kernels/cuda/arguments.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/sampling/draw.cuh"
#include "kernels/sampling/row_walk.cuh"
#include "kernels/sampling/sample_cuda.h"
#include "kernels/sampling/sample_steps.cuh"
#include "kernels/sampling/threshold.cuh"

namespace sextant {
namespace {

constexpr int kThreads = 1024;
constexpr std::int32_t kMostVocab = 1 << 19;

// Whether any of the row's logits is NaN or infinite, banned or not.
__device__ bool HasNonFinite(const Bf16* logits, int vocab_size, SharedSpan<std::uint64_t> slots) {
  std::uint64_t found = 0;
  for (int first = ThreadIndex() * kBf16PerWords; first < vocab_size;
       first += kThreads * kBf16PerWords) {
    const Floats8 values = Unpack(LoadWords(logits + first));
    for (int i = 0; i < kBf16PerWords; ++i) {
      if (first + i < vocab_size && !(fabsf(values.v[i]) < INFINITY)) found = 1;
    }
  }
  found = BlockMax(found, slots);
  BlockBarrier();
  return found != 0;
}

// The place of the heaviest token below `limit`; 0 where there is none.
__device__ std::uint64_t HeaviestBelow(const LogitRow& row, std::uint64_t limit,
                                       SharedSpan<std::uint64_t> slots) {
  std::uint64_t best = 0;
  row.WalkAll([&](int id, float logit) {
    const std::uint64_t place = PlaceOf(logit, id);
    if (place < limit && place > best) best = place;
  });
  best = BlockMax(best, slots);
  BlockBarrier();
  return best;
}

// The place of the lightest token that top_k, then top_p keep.
__device__ std::uint64_t LightestKept(const LogitRow& row, const Weigher& weigher,
                                      const SampleRowCuda& params,
                                      SharedSpan<std::uint64_t> slots) {
  std::uint64_t lowest = 0;
  if (params.top_k > 0 && params.top_k < row.vocab_size) {
    lowest = FindThreshold<Measure::kTokens>(row, weigher, static_cast<std::uint64_t>(params.top_k),
                                             lowest);
  }
  if (params.top_p >= 1.0F) return lowest;
  std::uint64_t total = 0;
  row.WalkAll([&](int id, float logit) {
    if (PlaceOf(logit, id) >= lowest) total += weigher.Weight(logit);
  });
  total = BlockSum(total, slots);
  const double budget = ceil(static_cast<double>(params.top_p) * static_cast<double>(total));
  return FindThreshold<Measure::kWeight>(row, weigher, static_cast<std::uint64_t>(budget), lowest);
}

// log_softmax of the raw logits: of the drawn token, and of the heaviest.
__device__ void AddLogprobs(const LogitRow& raw, int id, int wanted, SampledTokenCuda& result,
                            SharedSpan<std::uint64_t> slots) {
  std::uint64_t place = HeaviestBelow(raw, ~std::uint64_t{0}, slots);
  const Weigher weigher{LogitOfPlace(place), 1.0F, -INFINITY};
  std::uint64_t total = 0;
  raw.WalkAll([&](int, float logit) { total += weigher.Weight(logit); });
  total = BlockSum(total, slots);
  BlockBarrier();
  const double shift = static_cast<double>(weigher.heaviest) +
                       log(static_cast<double>(total) / static_cast<double>(Weigher::kOne));
  const auto logprob = [&](float logit) {
    return static_cast<float>(static_cast<double>(logit) - shift);
  };
  if (ThreadIndex() == 0) result.logprob = logprob(Widen(raw.logits[id]));
  int count = 0;
  for (; count < wanted && place != 0; ++count) {
    if (ThreadIndex() == 0) {
      result.heaviest_ids[count] = IdOfPlace(place);
      result.heaviest_logprobs[count] = logprob(LogitOfPlace(place));
    }
    place = HeaviestBelow(raw, place, slots);
  }
  if (ThreadIndex() == 0) result.heaviest_count = count;
}

__global__ void __launch_bounds__(kThreads) SampleKernel(SampleCudaArgs args) {
  const std::int64_t index = BlockIndexX();
  if (args.live_rows != nullptr && index >= *args.live_rows) return;
  const SampleRowCuda& params = args.params[index];
  SampledTokenCuda& result = args.results[index];
  const ThresholdMemory memory;
  const Bf16* logits = args.logits + index * args.logits_stride;
  const LogitRow raw{logits, nullptr, args.banned, args.vocab_size};
  LogitRow row = raw;
  if (IsAdjusted(params)) row.adjusted = args.adjusted + index * WorkspaceStride(args);

  SampleStatus status = SampleStatus::kOk;
  std::uint64_t heaviest = 0;
  if (HasNonFinite(logits, args.vocab_size, memory.slots)) {
    status = SampleStatus::kNotFinite;
  } else {
    heaviest = HeaviestBelow(row, ~std::uint64_t{0}, memory.slots);
    if (heaviest == 0) {
      status = SampleStatus::kAllBanned;
    } else if (!(fabsf(LogitOfPlace(heaviest)) < INFINITY)) {
      status = SampleStatus::kNotFinite;
    }
  }
  if (ThreadIndex() == 0) result.status = status;
  if (status != SampleStatus::kOk) return;

  if (params.inverse_temperature == 0.0F) {
    if (ThreadIndex() == 0) result.id = IdOfPlace(heaviest);
  } else {
    const Weigher weigher{LogitOfPlace(heaviest), params.inverse_temperature, params.lowest_shift};
    const std::uint64_t lowest = LightestKept(row, weigher, params, memory.slots);
    BlockBarrier();
    const int drawn =
        DrawToken(row, weigher, lowest, DrawBits(params.seed, params.position), memory.slots);
    if (drawn >= 0) result.id = drawn;
    BlockBarrier();
  }
  if (params.logprobs < 0) return;
  BlockBarrier();
  AddLogprobs(raw, result.id, params.logprobs, result, memory.slots);
}

}  // namespace

DeviceStatus SampleCuda(DeviceStream stream, const SampleCudaArgs& args) {
  if (args.vocab_size < 1 || args.vocab_size > kMostVocab) {
    return RefuseLaunch("Sample: the vocabulary must have 1 to 2^19 ids");
  }
  if (!AreVectorRows(args.logits, args.logits_stride, args.vocab_size) ||
      !IsAligned(args.adjusted) || !IsAligned(args.counts)) {
    return RefuseLaunch("Sample: rows must be aligned to 16 bytes, and not overlap");
  }
  if (args.rows == 0) return {};
  RETURN_IF_DEVICE_FAILED(AdjustLogitsCuda(stream, args));
  return Launch(
      stream, {.blocks_x = args.rows, .threads = kThreads, .shared_bytes = ThresholdMemory::kBytes},
      SampleKernel, args);
}

}  // namespace sextant
