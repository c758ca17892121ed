#include "attention_worker/device/device_latents.h"

#include "common/base/status.h"

namespace sextant {

void DeviceLatents::Copy(std::int64_t from, std::int64_t to, std::int64_t bytes) {
  // A copy within memory of ours is refused only where the GPU has failed before, and then the next
  // step says so.
  static_cast<void>(stream_.gpu().CopyWithin(stream_.handle(), memory_.data() + to,
                                             memory_.data() + from, bytes));
}

absl::StatusOr<std::unique_ptr<LatentCache>> MakeDeviceCache(const ModelConfig& config,
                                                             std::int64_t block_tokens,
                                                             std::int32_t num_blocks,
                                                             const GpuStream& stream) {
  const LatentCacheShape shape{.num_layers = static_cast<int>(config.num_hidden_layers),
                               .width = config.cache_row_dim(),
                               .block_tokens = block_tokens,
                               .num_blocks = num_blocks,
                               .dtype = DType::kBf16};
  ASSIGN_OR_RETURN(GpuMemory memory, GpuMemory::Allocate(stream.gpu(), GpuMemory::Place::kDevice,
                                                         shape.BytesTotal(), "the latent cache"));
  return std::make_unique<LatentCache>(shape,
                                       std::make_unique<DeviceLatents>(std::move(memory), stream));
}

}  // namespace sextant
