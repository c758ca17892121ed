#include "cli/engine/kernel_clock.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "cli/engine/kernel_cost.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace sextant::cli {
namespace {

template <typename Args>
struct OperationName;
template <>
struct OperationName<EmbeddingCudaArgs> {
  static constexpr char kName[] = "embedding";
};
template <>
struct OperationName<RmsNormCudaArgs> {
  static constexpr char kName[] = "norm";
};
template <>
struct OperationName<LinearCudaArgs> {
  static constexpr char kName[] = "dense product";
};
template <>
struct OperationName<WriteLatentsCudaArgs> {
  static constexpr char kName[] = "rotation, latents";
};
template <>
struct OperationName<HeadProductCudaArgs> {
  static constexpr char kName[] = "absorb, unabsorb";
};
template <>
struct OperationName<PlanDecodeCudaArgs> {
  static constexpr char kName[] = "splits";
};
template <>
struct OperationName<MlaDecodeCudaArgs> {
  static constexpr char kName[] = "decode attention";
};
template <>
struct OperationName<MlaPrefillCudaArgs> {
  static constexpr char kName[] = "prefill attention";
};
template <>
struct OperationName<TopkSoftmaxCudaArgs> {
  static constexpr char kName[] = "gate";
};
template <>
struct OperationName<GroupRowsCudaArgs> {
  static constexpr char kName[] = "grouping";
};
template <>
struct OperationName<GroupedFeedForwardCudaArgs> {
  static constexpr char kName[] = "feed-forward";
};
template <>
struct OperationName<CombineCudaArgs> {
  static constexpr char kName[] = "combine";
};
template <>
struct OperationName<SampleCudaArgs> {
  static constexpr char kName[] = "sampling";
};

}  // namespace

KernelClock* KernelClock::current_ = nullptr;

KernelClock::KernelClock(const CudaKernels& kernels, const GpuStream& stream,
                         const StepFacts& facts)
    : kernels_(kernels), stream_(stream), facts_(facts) {
  CHECK(current_ == nullptr);
  current_ = this;
}

KernelClock::~KernelClock() { current_ = nullptr; }

template <auto kOperation, typename Args>
DeviceStatus KernelClock::Timed(DeviceStream stream, const Args& args) {
  KernelClock& clock = *current_;
  RETURN_IF_DEVICE_FAILED(clock.Begin(OperationName<Args>::kName, CostOf(args, clock.facts_)));
  RETURN_IF_DEVICE_FAILED((clock.kernels_.*kOperation)(stream, args));
  return clock.End();
}

CudaKernels KernelClock::TimedKernels(const CudaKernels& kernels) {
  CudaKernels timed = kernels;
  timed.embedding = Timed<&CudaKernels::embedding>;
  timed.rms_norm = Timed<&CudaKernels::rms_norm>;
  timed.linear = Timed<&CudaKernels::linear>;
  timed.write_latents = Timed<&CudaKernels::write_latents>;
  timed.head_product = Timed<&CudaKernels::head_product>;
  timed.plan_decode = Timed<&CudaKernels::plan_decode>;
  timed.mla_decode = Timed<&CudaKernels::mla_decode>;
  timed.mla_prefill = Timed<&CudaKernels::mla_prefill>;
  timed.topk_softmax = Timed<&CudaKernels::topk_softmax>;
  timed.group_rows = Timed<&CudaKernels::group_rows>;
  timed.grouped_feed_forward = Timed<&CudaKernels::grouped_feed_forward>;
  timed.combine = Timed<&CudaKernels::combine>;
  timed.sample = Timed<&CudaKernels::sample>;
  return timed;
}

DeviceStatus KernelClock::Begin(const char* name, const KernelCost& cost) {
  absl::StatusOr<GpuEvent> begin = GpuEvent::Create(stream_.gpu());
  absl::StatusOr<GpuEvent> end = GpuEvent::Create(stream_.gpu());
  if (!begin.ok() || !end.ok()) return {DeviceError::kDevice, "no event could be made"};
  calls_.push_back({name, cost, *std::move(begin), *std::move(end)});
  return stream_.gpu().Record(stream_.handle(), calls_.back().begin.handle());
}

DeviceStatus KernelClock::End() {
  return stream_.gpu().Record(stream_.handle(), calls_.back().end.handle());
}

absl::StatusOr<std::vector<KernelTime>> KernelClock::Read() {
  RETURN_IF_ERROR(stream_.Synchronize());
  std::vector<KernelTime> times;
  for (const Call& call : calls_) {
    double seconds = 0;
    RETURN_IF_ERROR(ToStatus(
        stream_.gpu().SecondsBetween(call.begin.handle(), call.end.handle(), &seconds), call.name));
    auto found = std::find_if(times.begin(), times.end(), [&call](const KernelTime& time) {
      return std::strcmp(time.name, call.name) == 0;
    });
    if (found == times.end()) found = times.insert(times.end(), KernelTime{call.name, 0, 0, {}});
    ++found->calls;
    found->seconds += seconds;
    found->cost.bytes += call.cost.bytes;
    found->cost.flops += call.cost.flops;
  }
  std::sort(times.begin(), times.end(),
            [](const KernelTime& a, const KernelTime& b) { return a.seconds > b.seconds; });
  return times;
}

}  // namespace sextant::cli
