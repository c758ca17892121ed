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
  ArenaCarver counting(nullptr);
  static_cast<void>(CarveSampleInputs(parts.config, parts.sizes, counting));
  static_cast<void>(counting.Take<SampledTokenCuda>(parts.sizes.logit_rows));
  ASSIGN_OR_RETURN(GpuMemory pinned,
                   GpuMemory::Allocate(parts.gpu, GpuMemory::Place::kPinnedHost, counting.bytes(),
                                       "what tokens are chosen by"));
  return DeviceSampler(parts, std::move(pinned));
}

DeviceSampler::DeviceSampler(const Parts& parts, GpuMemory pinned)
    : parts_(parts), pinned_(std::move(pinned)) {
  ArenaCarver carver(pinned_.data());
  host_ = CarveSampleInputs(parts_.config, parts_.sizes, carver);
  results_ = carver.Take<SampledTokenCuda>(parts_.sizes.logit_rows);
  SetBanned({});
}

void DeviceSampler::SetBanned(absl::Span<const std::int32_t> ids) {
  banned_ids_.assign(ids.begin(), ids.end());
  std::fill_n(host_.banned, DivideUp(parts_.config.vocab_size, kBitsOfWord), 0U);
  for (const std::int32_t id : ids) {
    host_.banned[id / kBitsOfWord] |= std::uint32_t{1} << (id % kBitsOfWord);
  }
}

absl::Status DeviceSampler::Sample(const SampleStep& step) {
  CHECK_LE(step.first_row + static_cast<std::int64_t>(step.rows.size()), parts_.sizes.logit_rows);
  RETURN_IF_ERROR(CheckBannedIds(step.banned_ids, parts_.config.vocab_size));
  if (step.banned_ids != banned_ids_) SetBanned(step.banned_ids);
  for (std::size_t i = 0; i < step.rows.size(); ++i) {
    const absl::Status fault = CheckSampleRow(step.rows[i], parts_.config.vocab_size);
    step.results[i] = fault.ok() ? absl::StatusOr<SampledToken>(SampledToken()) : fault;
  }
  for (std::size_t begin = 0; begin < step.rows.size();) {
    std::int64_t history_bytes = 0;
    const std::size_t count = Describe(step, begin, &history_bytes);
    RETURN_IF_ERROR(Choose(step, begin, count, history_bytes));
    begin += count;
  }
  return absl::OkStatus();
}

std::size_t DeviceSampler::Describe(const SampleStep& step, std::size_t begin,
                                    std::int64_t* history_bytes) {
  HistoryWriter history(host_.history, parts_.layout.sampling.inputs.history,
                        SampleHistoryBytes(parts_.config));
  std::size_t count = 0;
  for (; begin + count < step.rows.size(); ++count) {
    // A row that was refused is computed as if it had asked for nothing.
    static const SamplingParams kNothing;
    const bool refused = !step.results[begin + count].ok();
    const SampleRowCuda described =
        DescribeRow(refused ? SampleRow{.params = &kNothing} : step.rows[begin + count], history);
    if (!history.fits()) break;
    host_.rows[count] = described;
    *history_bytes = history.bytes();
  }
  CHECK(count > 0);  // the longest row fits by itself
  return count;
}

absl::Status DeviceSampler::Choose(const SampleStep& step, std::size_t begin, std::size_t count,
                                   std::int64_t history_bytes) {
  const StepSampling& device = parts_.layout.sampling;
  const DeviceStream stream = parts_.stream.handle();
  const auto rows = static_cast<std::int64_t>(count);
  const auto first = step.first_row + static_cast<std::int64_t>(begin);
  const std::int64_t described =
      (host_.history - reinterpret_cast<std::byte*>(host_.banned)) + history_bytes;
  RETURN_IF_ERROR(ToStatus(parts_.gpu.CopyIn(stream, device.inputs.banned, host_.banned, described),
                           "sampling"));
  RETURN_IF_ERROR(ToStatus(
      parts_.kernels.sample(
          stream, {.logits = parts_.layout.activations.logits + first * parts_.layout.padded_vocab,
                   .logits_stride = parts_.layout.padded_vocab,
                   .rows = rows,
                   .vocab_size = static_cast<std::int32_t>(parts_.config.vocab_size),
                   .banned = banned_ids_.empty() ? nullptr : device.inputs.banned,
                   .params = device.inputs.rows,
                   .adjusted = device.adjusted,
                   .counts = device.counts,
                   .results = device.results}),
      "sampling"));
  RETURN_IF_ERROR(
      ToStatus(parts_.gpu.CopyOut(stream, results_, device.results,
                                  rows * static_cast<std::int64_t>(sizeof(SampledTokenCuda))),
               "sampling"));
  RETURN_IF_ERROR(parts_.stream.Synchronize());
  for (std::size_t i = 0; i < count; ++i) {
    if (step.results[begin + i].ok()) step.results[begin + i] = TokenOf(results_[i]);
  }
  return absl::OkStatus();
}

}  // namespace sextant
