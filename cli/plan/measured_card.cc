#include "cli/plan/measured_card.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "cli/engine/device_ceilings.h"
#include "common/base/status.h"

namespace sextant::cli {
namespace {

constexpr std::int64_t kMostRead = std::int64_t{4} << 30;

}  // namespace

absl::StatusOr<Card> MeasureCard(const CudaBackend& backend) {
  GpuDriver& gpu = *backend.gpu;
  GpuInfo info;
  RETURN_IF_ERROR(ToStatus(gpu.Describe(&info), "the GPU's properties"));
  ASSIGN_OR_RETURN(const GpuStream stream, GpuStream::Create(gpu));
  ASSIGN_OR_RETURN(const GpuMemory memory,
                   GpuMemory::Allocate(gpu, GpuMemory::Place::kDevice,
                                       std::clamp<std::int64_t>(info.free_bytes / 2, 1, kMostRead),
                                       "what is read to measure its bandwidth"));
  // Unwritten memory may be read faster than any that holds something.
  RETURN_IF_ERROR(ToStatus(gpu.FillZeros(stream.handle(), memory.data(), memory.bytes()),
                           "what is read to measure its bandwidth"));
  ASSIGN_OR_RETURN(const Ceilings ceilings,
                   MeasureDeviceCeilings(stream, *backend.kernels, memory, info.multiprocessors));
  return Card{.name = absl::StrCat(info.name, ", measured"),
              .memory_bytes = info.total_bytes,
              .read_bytes_per_s = ceilings.read_bytes_per_s,
              .product_flops_per_s = ceilings.product_flops_per_s};
}

}  // namespace sextant::cli
