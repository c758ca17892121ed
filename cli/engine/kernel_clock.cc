#include "cli/engine/kernel_clock.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "cli/engine/kernel_cost.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace sextant::cli {
namespace {

const char* NameOf(const EmbeddingCudaArgs& /*args*/) { return "embedding"; }
const char* NameOf(const RmsNormCudaArgs& /*args*/) { return "norm"; }
const char* NameOf(const LinearCudaArgs& /*args*/) { return "dense product"; }
const char* NameOf(const WriteLatentsCudaArgs& /*args*/) { return "rotation, latents"; }
const char* NameOf(const HeadProductCudaArgs& /*args*/) { return "absorb, unabsorb"; }
const char* NameOf(const PlanDecodeCudaArgs& /*args*/) { return "splits"; }
const char* NameOf(const MlaDecodeCudaArgs& /*args*/) { return "decode attention"; }
const char* NameOf(const MlaPrefillCudaArgs& /*args*/) { return "prefill attention"; }
const char* NameOf(const TopkSoftmaxCudaArgs& /*args*/) { return "gate"; }
const char* NameOf(const PlanDispatchCudaArgs& /*args*/) { return "dispatch plan"; }
const char* NameOf(const GroupRowsCudaArgs& /*args*/) { return "grouping"; }
const char* NameOf(const GroupedFeedForwardCudaArgs& /*args*/) { return "feed-forward"; }
const char* NameOf(const PlanReturnCudaArgs& /*args*/) { return "return plan"; }
const char* NameOf(const CombineCudaArgs& /*args*/) { return "combine"; }
const char* NameOf(const SampleCudaArgs& /*args*/) { return "sampling"; }

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
  RETURN_IF_DEVICE_FAILED(clock.Begin(NameOf(args), CostOf(args, clock.facts_)));
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
  timed.plan_dispatch = Timed<&CudaKernels::plan_dispatch>;
  timed.group_rows = Timed<&CudaKernels::group_rows>;
  timed.grouped_feed_forward = Timed<&CudaKernels::grouped_feed_forward>;
  timed.plan_return = Timed<&CudaKernels::plan_return>;
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
