#include "attention_worker/device/device_sampler.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/base/check.h"
#include "common/base/status.h"
#include "kernels/sampling/sample_cuda_params.h"
#include "kernels/sampling/sample_row.h"

namespace sextant {
namespace {

constexpr std::int64_t kBitsOfWord = 32;
constexpr std::size_t kSlots = 2;  // of samplings under way

// Puts arrays one after another into the host's copy of the history, and tells where they will be
// on the device.
class HistoryWriter {
 public:
  HistoryWriter(std::byte* host, const std::byte* device, std::int64_t capacity)
      : host_(host), device_(device), capacity_(capacity) {}

  template <typename T>
  [[nodiscard]] const T* Put(absl::Span<const T> values) {
    const auto size = static_cast<std::int64_t>(values.size() * sizeof(T));
    const std::int64_t at = bytes_;
    bytes_ += size;
    if (bytes_ > capacity_ || values.empty()) return nullptr;
    std::memcpy(host_ + at, values.data(), values.size() * sizeof(T));
    return reinterpret_cast<const T*>(device_ + at);
  }
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }
  [[nodiscard]] bool fits() const { return bytes_ <= capacity_; }

 private:
  std::byte* host_;
  const std::byte* device_;
  std::int64_t capacity_;
  std::int64_t bytes_ = 0;
};

SampleRowCuda DescribeRow(const SampleRow& row, HistoryWriter& history) {
  const SamplingParams& params = *row.params;
  SampleRowCuda on_device = DeviceSampleRow(params, row.position);
  const bool repeats = params.repetition_penalty != 1.0F;
  if (repeats) {
    on_device.prompt = history.Put(row.prompt);
    on_device.prompt_count = static_cast<std::int32_t>(row.prompt.size());
  }
  if (repeats || params.presence_penalty != 0.0F || params.frequency_penalty != 0.0F) {
    on_device.output = history.Put(row.output);
    on_device.output_count = static_cast<std::int32_t>(row.output.size());
  }
  std::vector<LogitBiasCuda> biases;
  for (const LogitBias& bias : params.logit_bias) biases.push_back({bias.id, bias.bias});
  on_device.bias = history.Put(absl::MakeConstSpan(biases));
  on_device.bias_count = static_cast<std::int32_t>(biases.size());
  return on_device;
}

absl::StatusOr<SampledToken> TokenOf(const SampledTokenCuda& chosen) {
  if (chosen.status == SampleStatus::kNotFinite) return NotFiniteError();
  if (chosen.status == SampleStatus::kAllBanned) return AllBannedError();
  SampledToken token{.id = chosen.id, .logprob = chosen.logprob, .heaviest = {}};
  for (int i = 0; i < chosen.heaviest_count; ++i) {
    token.heaviest.push_back({chosen.heaviest_ids[i], chosen.heaviest_logprobs[i]});
  }
  return token;
}

}  // namespace

absl::StatusOr<DeviceSampler> DeviceSampler::Create(const Parts& parts) {
  const auto carve = [&parts](ArenaCarver& carver, Slot& slot) {
    slot.host = CarveSampleInputs(parts.config, parts.sizes, carver);
    slot.results = carver.Take<SampledTokenCuda>(parts.sizes.logit_rows);
  };
  std::vector<Slot> slots;
  ArenaCarver counting(nullptr);
  for (std::size_t i = 0; i < kSlots; ++i) {
    ASSIGN_OR_RETURN(GpuEvent done, GpuEvent::Create(parts.gpu));
    slots.push_back({.host = {}, .results = nullptr, .done = std::move(done), .tokens = {}});
    carve(counting, slots.back());
  }
  ASSIGN_OR_RETURN(GpuMemory pinned,
                   GpuMemory::Allocate(parts.gpu, GpuMemory::Place::kPinnedHost, counting.bytes(),
                                       "what tokens are chosen by"));
  ArenaCarver carver(pinned.data());
  for (Slot& slot : slots) carve(carver, slot);
  return DeviceSampler(parts, std::move(pinned), std::move(slots));
}

void DeviceSampler::SetBanned(const SampleInputs& host, std::int64_t vocab_size,
                              absl::Span<const std::int32_t> ids) {
  std::fill_n(host.banned, DivideUp(vocab_size, kBitsOfWord), 0U);
  for (const std::int32_t id : ids) {
    host.banned[id / kBitsOfWord] |= std::uint32_t{1} << (id % kBitsOfWord);
  }
}

absl::Status DeviceSampler::Sample(const SampleStep& step) {
  CHECK_EQ(under_way_, 0U);
  CHECK_LE(step.first_row + static_cast<std::int64_t>(step.rows.size()), parts_.sizes.logit_rows);
  RETURN_IF_ERROR(CheckBannedIds(step.banned_ids, parts_.config.vocab_size));
  Slot& slot = slots_[first_];
  for (std::size_t begin = 0; begin < step.rows.size();) {
    std::int64_t history_bytes = 0;
    const std::size_t count = Describe(step, begin, slot, &history_bytes);
    RETURN_IF_ERROR(Launch(step, begin, count, history_bytes, slot));
    ASSIGN_OR_RETURN(Tokens tokens, Wait(slot));
    std::move(tokens.begin(), tokens.end(),
              step.results.begin() + static_cast<std::ptrdiff_t>(begin));
    begin += count;
  }
  return absl::OkStatus();
}

absl::Status DeviceSampler::Start(const SampleStep& step) {
  CHECK_LT(under_way_, kSlots);
  RETURN_IF_ERROR(CheckBannedIds(step.banned_ids, parts_.config.vocab_size));
  Slot& slot = slots_[(first_ + under_way_) % kSlots];
  std::int64_t history_bytes = 0;
  if (Describe(step, 0, slot, &history_bytes) < step.rows.size()) {
    return absl::ResourceExhaustedError("what the rows are to be chosen by takes several launches");
  }
  RETURN_IF_ERROR(Launch(step, 0, step.rows.size(), history_bytes, slot));
  ++under_way_;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<absl::StatusOr<SampledToken>>> DeviceSampler::Finish() {
  CHECK_GT(under_way_, 0U);
  Slot& slot = slots_[first_];
  first_ = (first_ + 1) % kSlots;
  --under_way_;
  return Wait(slot);
}

std::size_t DeviceSampler::Describe(const SampleStep& step, std::size_t begin, Slot& slot,
                                    std::int64_t* history_bytes) {
  HistoryWriter history(slot.host.history, parts_.layout.sampling.inputs.history,
                        SampleHistoryBytes(parts_.config));
  slot.tokens.clear();
  for (std::size_t row = begin; row < step.rows.size(); ++row) {
    const absl::Status fault = CheckSampleRow(step.rows[row], parts_.config.vocab_size);
    // A row that is refused is computed as if it had asked for nothing.
    static const SamplingParams kNothing;
    const SampleRowCuda described =
        DescribeRow(fault.ok() ? step.rows[row] : SampleRow{.params = &kNothing}, history);
    if (!history.fits()) break;
    slot.host.rows[row - begin] = described;
    slot.tokens.push_back(fault.ok() ? absl::StatusOr<SampledToken>(SampledToken()) : fault);
    *history_bytes = history.bytes();
  }
  CHECK(!slot.tokens.empty());  // the longest row fits by itself
  return slot.tokens.size();
}

absl::Status DeviceSampler::Launch(const SampleStep& step, std::size_t begin, std::size_t count,
                                   std::int64_t history_bytes, Slot& slot) {
  const StepSampling& device = parts_.layout.sampling;
  const DeviceStream stream = parts_.stream.handle();
  const auto rows = static_cast<std::int64_t>(count);
  const std::int64_t first = step.first_row + static_cast<std::int64_t>(begin);
  SetBanned(slot.host, parts_.config.vocab_size, step.banned_ids);
  const std::int64_t described =
      (slot.host.history - reinterpret_cast<std::byte*>(slot.host.banned)) + history_bytes;
  RETURN_IF_ERROR(ToStatus(
      parts_.gpu.CopyIn(stream, device.inputs.banned, slot.host.banned, described), "sampling"));
  RETURN_IF_ERROR(ToStatus(
      parts_.kernels.sample(
          stream, {.logits = parts_.layout.activations.logits + first * parts_.layout.padded_vocab,
                   .logits_stride = parts_.layout.padded_vocab,
                   .rows = rows,
                   .vocab_size = static_cast<std::int32_t>(parts_.config.vocab_size),
                   .banned = step.banned_ids.empty() ? nullptr : device.inputs.banned,
                   .params = device.inputs.rows,
                   .adjusted = device.adjusted,
                   .counts = device.counts,
                   .results = device.results}),
      "sampling"));
  RETURN_IF_ERROR(
      ToStatus(parts_.gpu.CopyOut(stream, slot.results, device.results,
                                  rows * static_cast<std::int64_t>(sizeof(SampledTokenCuda))),
               "sampling"));
  return ToStatus(parts_.gpu.Record(stream, slot.done.handle()), "sampling");
}

absl::StatusOr<DeviceSampler::Tokens> DeviceSampler::Wait(Slot& slot) {
  RETURN_IF_ERROR(ToStatus(parts_.gpu.WaitFor(slot.done.handle()), "a step"));
  for (std::size_t i = 0; i < slot.tokens.size(); ++i) {
    if (slot.tokens[i].ok()) slot.tokens[i] = TokenOf(slot.results[i]);
  }
  return std::move(slot.tokens);
}

}  // namespace sextant
