#include "cli/engine/device_ceilings.h"

#include <algorithm>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "common/base/status.h"

namespace sextant::cli {
namespace {

constexpr std::int64_t kMostBytes = std::int64_t{4} << 30;
constexpr std::int32_t kRounds = 20000;
constexpr int kPasses = 3;
constexpr int kBlocksOfAMultiprocessor = 4;

// Of the fastest pass.
absl::StatusOr<double> Seconds(const GpuStream& stream, absl::FunctionRef<DeviceStatus()> launch) {
  GpuDriver& gpu = stream.gpu();
  ASSIGN_OR_RETURN(const GpuEvent begin, GpuEvent::Create(gpu));
  ASSIGN_OR_RETURN(const GpuEvent end, GpuEvent::Create(gpu));
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    RETURN_IF_ERROR(ToStatus(gpu.Record(stream.handle(), begin.handle()), "a ceiling"));
    RETURN_IF_ERROR(ToStatus(launch(), "a ceiling"));
    RETURN_IF_ERROR(ToStatus(gpu.Record(stream.handle(), end.handle()), "a ceiling"));
    RETURN_IF_ERROR(stream.Synchronize());
    double seconds = 0;
    RETURN_IF_ERROR(
        ToStatus(gpu.SecondsBetween(begin.handle(), end.handle(), &seconds), "a ceiling"));
    best = pass == 0 ? seconds : std::min(best, seconds);
  }
  return best;
}

}  // namespace

absl::StatusOr<Ceilings> MeasureDeviceCeilings(const GpuStream& stream, const CudaKernels& kernels,
                                               const GpuMemory& memory, int multiprocessors) {
  const std::int32_t blocks = kBlocksOfAMultiprocessor * multiprocessors;
  const std::int64_t bytes = std::min(memory.bytes(), kMostBytes) / 16 * 16;
  ASSIGN_OR_RETURN(
      const GpuMemory results,
      GpuMemory::Allocate(stream.gpu(), GpuMemory::Place::kDevice,
                          blocks * static_cast<std::int64_t>(sizeof(float)), "a ceiling"));
  ASSIGN_OR_RETURN(const double reading, Seconds(stream, [&] {
                     return kernels.read_ceiling(
                         stream.handle(),
                         {.from = memory.data(),
                          .bytes = bytes,
                          .blocks = blocks,
                          .words = reinterpret_cast<std::uint32_t*>(results.data())});
                   }));
  ASSIGN_OR_RETURN(const double multiplying, Seconds(stream, [&] {
                     return kernels.product_ceiling(
                         stream.handle(), {.rounds = kRounds,
                                           .blocks = blocks,
                                           .sums = reinterpret_cast<float*>(results.data())});
                   }));
  const double operations =
      static_cast<double>(blocks) * static_cast<double>(kRounds) *
      static_cast<double>(kCeilingWarps * kProductsOfARound * kProductOperations);
  return Ceilings{.read_bytes_per_s = static_cast<double>(bytes) / reading,
                  .product_flops_per_s = operations / multiplying};
}

}  // namespace sextant::cli
