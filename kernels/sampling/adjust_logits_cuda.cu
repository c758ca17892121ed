#include <cmath>

#include "kernels/cuda/device.h"
#include "kernels/sampling/sample_steps.cuh"

namespace sextant {
namespace {

constexpr int kThreads = 512;
constexpr std::uint32_t kInPrompt = 0x80000000U;

// vLLM's order, as kernels/sampling/penalties.h has it.
__device__ float Penalised(float logit, std::uint32_t seen, const SampleRowCuda& row) {
  if (seen == 0) return logit;
  logit = logit > 0.0F ? logit / row.repetition_penalty : logit * row.repetition_penalty;
  const std::uint32_t times = seen & ~kInPrompt;
  if (times == 0) return logit;
  logit -= row.frequency_penalty * static_cast<float>(times);
  return logit - row.presence_penalty;
}

__global__ void __launch_bounds__(kThreads) AdjustLogitsKernel(SampleCudaArgs args) {
  const std::int64_t index = BlockIndexX();
  if (args.live_rows != nullptr && index >= *args.live_rows) return;
  const SampleRowCuda& row = args.params[index];
  if (!IsAdjusted(row)) return;
  const Bf16* logits = args.logits + index * args.logits_stride;
  float* adjusted = args.adjusted + index * WorkspaceStride(args);
  std::uint32_t* counts = args.counts + index * WorkspaceStride(args);
  for (int id = ThreadIndex(); id < args.vocab_size; id += kThreads) {
    adjusted[id] = IsBanned(args.banned, id) ? -INFINITY : Widen(logits[id]);
    counts[id] = 0;
  }
  BlockBarrier();
  // An id occurs once in the bias.
  for (int i = ThreadIndex(); i < row.bias_count; i += kThreads) {
    adjusted[row.bias[i].id] += row.bias[i].bias;
  }
  for (int i = ThreadIndex(); i < row.output_count; i += kThreads) {
    AtomicAdd(counts + row.output[i], 1U);
  }
  if (row.repetition_penalty != 1.0F) {
    for (int i = ThreadIndex(); i < row.prompt_count; i += kThreads) {
      AtomicOr(counts + row.prompt[i], kInPrompt);
    }
  }
  BlockBarrier();
  for (int id = ThreadIndex(); id < args.vocab_size; id += kThreads) {
    adjusted[id] = Penalised(adjusted[id], counts[id], row);
  }
}

}  // namespace

DeviceStatus AdjustLogitsCuda(DeviceStream stream, const SampleCudaArgs& args) {
  return Launch(stream, {.blocks_x = args.rows, .threads = kThreads}, AdjustLogitsKernel, args);
}

}  // namespace sextant
