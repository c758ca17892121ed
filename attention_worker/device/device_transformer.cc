#include "attention_worker/device/device_transformer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"
#include "common/tensor/float_types.h"

namespace sextant {
namespace {

template <typename T>
void CopyTo(T* to, const std::vector<T>& values) {
  std::copy(values.begin(), values.end(), to);
}

}  // namespace

struct DeviceTransformer::Memory {
  GpuMemory arena;  // of all buffers of a step
  StepLayout layout;
  GpuMemory pinned;  // of the host's copy of what a step is told
  StepInputs host;
  GpuEvent copied;  // the pinned memory may be written again
  DeviceSampler sampler;
};

absl::StatusOr<std::unique_ptr<DeviceTransformer>> DeviceTransformer::Create(const Parts& parts) {
  GpuInfo info;
  RETURN_IF_ERROR(ToStatus(parts.gpu.Describe(&info), "the GPU's properties"));
  ASSIGN_OR_RETURN(GpuMemory arena,
                   GpuMemory::Allocate(parts.gpu, GpuMemory::Place::kDevice,
                                       LayOutStep(parts.config, parts.sizes, nullptr).bytes(),
                                       "the buffers of a step"));
  const StepLayout layout = LayOutStep(parts.config, parts.sizes, arena.data());
  ASSIGN_OR_RETURN(GpuMemory pinned,
                   GpuMemory::Allocate(parts.gpu, GpuMemory::Place::kPinnedHost, layout.input_bytes,
                                       "what a step is told"));
  ArenaCarver carver(pinned.data());
  const StepInputs host = CarveStepInputs(parts.sizes, carver);
  ASSIGN_OR_RETURN(GpuEvent copied, GpuEvent::Create(parts.gpu));
  RETURN_IF_ERROR(ToStatus(parts.gpu.Record(parts.stream.handle(), copied.handle()), "an event"));
  ASSIGN_OR_RETURN(DeviceSampler sampler, DeviceSampler::Create({.config = parts.config,
                                                                 .gpu = parts.gpu,
                                                                 .kernels = parts.kernels,
                                                                 .layout = layout,
                                                                 .sizes = parts.sizes,
                                                                 .stream = parts.stream}));
  auto memory = std::make_unique<Memory>(Memory{.arena = std::move(arena),
                                                .layout = layout,
                                                .pinned = std::move(pinned),
                                                .host = host,
                                                .copied = std::move(copied),
                                                .sampler = std::move(sampler)});
  return std::unique_ptr<DeviceTransformer>(
      new DeviceTransformer(parts, std::move(memory), info.multiprocessors));
}

DeviceTransformer::DeviceTransformer(const Parts& parts, std::unique_ptr<Memory> memory,
                                     int multiprocessors)
    : parts_(parts),
      memory_(std::move(memory)),
      layers_(LayerParts(multiprocessors)),
      graphs_(layers_, parts_.stream, parts_.sizes.decode_rows) {
  parts_.exchange.OnGraphsEnd([this] { graphs_.Drop(); });
}

DeviceTransformer::~DeviceTransformer() {
  parts_.exchange.OnGraphsEnd(nullptr);
  // What is on the stream still names the memory. A fault has been told by then, or does no harm.
  static_cast<void>(parts_.stream.Synchronize());
}

DeviceLayers::Parts DeviceTransformer::LayerParts(int multiprocessors) const {
  const LatentCacheShape& shape = parts_.cache.shape();
  return {.config = parts_.config,
          .kernels = parts_.kernels,
          .weights = parts_.weights,
          .exchange = parts_.exchange,
          .layout = memory_->layout,
          .sizes = parts_.sizes,
          .stream = parts_.stream,
          .latents = static_cast<Bf16*>(parts_.cache.Layer(0).data),
          .layer_latents = shape.num_blocks * shape.block_tokens * shape.width,
          .block_tokens = shape.block_tokens,
          .multiprocessors = multiprocessors};
}

absl::Status DeviceTransformer::Describe(const StepRows& step) {
  RETURN_IF_ERROR(ToStatus(parts_.gpu.WaitFor(memory_->copied.handle()), "the last step"));
  const StepInputs& host = memory_->host;
  const auto rows = static_cast<std::int32_t>(step.count());
  *host.live_rows = rows;
  host.feed_forward_offsets[0] = 0;
  host.feed_forward_offsets[1] = rows;
  host.logit_feed_forward_offsets[0] = 0;
  host.logit_feed_forward_offsets[1] = static_cast<std::int32_t>(step.num_logits());
  CopyTo(host.token_ids, step.token_ids);
  CopyTo(host.positions, step.positions);
  CopyTo(host.slots, step.slots);
  CopyTo(host.lengths, step.lengths);
  CopyTo(host.logit_rows, step.logit_rows);
  std::int32_t* to = host.block_tables;
  for (const absl::Span<const std::int32_t> table : step.tables) {
    CHECK_LE(static_cast<std::int64_t>(table.size()), parts_.sizes.max_blocks);
    std::copy(table.begin(), table.end(), to);
    to += parts_.sizes.max_blocks;
  }
  const StepInputs& device = memory_->layout.inputs;
  const std::int64_t bytes =
      reinterpret_cast<const std::byte*>(to) - reinterpret_cast<const std::byte*>(host.live_rows);
  RETURN_IF_ERROR(
      ToStatus(parts_.gpu.CopyIn(parts_.stream.handle(), device.live_rows, host.live_rows, bytes),
               "what a step is told"));
  return ToStatus(parts_.gpu.Record(parts_.stream.handle(), memory_->copied.handle()), "an event");
}

absl::Status DeviceTransformer::CheckIds(const StepRows& step) const {
  for (const std::int32_t id : step.token_ids) {
    if (id < 0 || id >= parts_.config.vocab_size) {
      return absl::InvalidArgumentError(
          absl::StrCat("token id ", id, " is outside the vocabulary"));
    }
  }
  return absl::OkStatus();
}

absl::Status DeviceTransformer::Forward(absl::Span<const SequenceSlice> slices) {
  ASSIGN_OR_RETURN(const StepRows step,
                   PlanStepRows(slices, parts_.sizes, parts_.config.max_position_embeddings));
  const bool sampled_ids = !slices.empty() && slices.front().sampled_token;
  if (sampled_ids && !step.is_plain_decode()) {
    return absl::InvalidArgumentError("only a plain decode step can go on by tokens to be chosen");
  }
  RETURN_IF_ERROR(CheckIds(step));
  RETURN_IF_ERROR(Describe(step));
  ASSIGN_OR_RETURN(
      const DeviceStepForm form,
      parts_.exchange.Begin({.rows = step.count(), .plain_decode = step.is_plain_decode()}));
  logit_rows_ = step.num_logits();
  if (uses_graphs_ && form.captured && step.is_plain_decode() && !layers_.is_observed()) {
    ++graph_steps_;
    RETURN_IF_ERROR(graphs_.Launch(step.count(), sampled_ids, form.graph_rows));
  } else {
    RETURN_IF_ERROR(layers_.Run({.rows = step.count(),
                                 .logit_rows = step.num_logits(),
                                 .rows_on_device = false,
                                 .sampled_ids = sampled_ids,
                                 .decode = step.decode,
                                 .prompts = step.prompts}));
  }
  RETURN_IF_ERROR(parts_.exchange.End(parts_.stream.handle()));
  // The others are confirmed by now.
  if (form.captured) ++ended_steps_;
  return absl::OkStatus();
}

absl::Status DeviceTransformer::Confirm(std::int64_t step) {
  while (confirmed_steps_ < step) {
    ++confirmed_steps_;
    RETURN_IF_ERROR(parts_.exchange.Confirm());
  }
  return absl::OkStatus();
}

absl::StatusOr<MatrixView<const float>> DeviceTransformer::Logits() {
  const std::int64_t stride = memory_->layout.padded_vocab;
  std::vector<Bf16> rounded(static_cast<std::size_t>(logit_rows_ * stride));
  RETURN_IF_ERROR(ToStatus(
      parts_.gpu.CopyOut(parts_.stream.handle(), rounded.data(), memory_->layout.activations.logits,
                         logit_rows_ * stride * static_cast<std::int64_t>(sizeof(Bf16))),
      "logits"));
  RETURN_IF_ERROR(parts_.stream.Synchronize());
  RETURN_IF_ERROR(Confirm(ended_steps_));
  logits_.resize(rounded.size());
  std::transform(rounded.begin(), rounded.end(), logits_.begin(),
                 [](Bf16 value) { return ToFloat(value); });
  return MatrixView<const float>(logits_.data(), logit_rows_, parts_.config.vocab_size, stride);
}

absl::Status DeviceTransformer::Sample(const SampleStep& step) {
  CHECK_LE(step.first_row + static_cast<std::int64_t>(step.rows.size()), logit_rows_);
  RETURN_IF_ERROR(memory_->sampler.Sample(step));
  return Confirm(ended_steps_);
}

absl::Status DeviceTransformer::StartSample(const SampleStep& step) {
  CHECK_EQ(step.first_row, 0);
  CHECK_EQ(static_cast<std::int64_t>(step.rows.size()), logit_rows_);
  RETURN_IF_ERROR(memory_->sampler.Start(step));
  sampled_steps_.push_back(ended_steps_);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<absl::StatusOr<SampledToken>>> DeviceTransformer::FinishSample() {
  CHECK(!sampled_steps_.empty());
  const std::int64_t step = sampled_steps_.front();
  sampled_steps_.pop_front();
  absl::StatusOr<std::vector<absl::StatusOr<SampledToken>>> tokens = memory_->sampler.Finish();
  RETURN_IF_ERROR(Confirm(step));
  return tokens;
}

}  // namespace sextant
