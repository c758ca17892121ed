// The latent cache's memory on a GPU.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "attention_worker/cache/latent_cache.h"
#include "common/config/model_config.h"
#include "common/device/gpu.h"

namespace sextant {

class DeviceLatents final : public LatentStorage {
 public:
  // `memory` has room for the cache; `stream` is the one that the model's steps are put on, and
  // outlives this.
  DeviceLatents(GpuMemory memory, const GpuStream& stream)
      : memory_(std::move(memory)), stream_(stream) {}

  [[nodiscard]] std::byte* data() const override { return memory_.data(); }
  void Copy(std::int64_t from, std::int64_t to, std::int64_t bytes) override;

 private:
  GpuMemory memory_;
  const GpuStream& stream_;
};

// An empty cache of so many blocks for the model. Errors: ResourceExhausted when the GPU has no
// room.
[[nodiscard]] absl::StatusOr<std::unique_ptr<LatentCache>> MakeDeviceCache(
    const ModelConfig& config, std::int64_t block_tokens, std::int32_t num_blocks,
    const GpuStream& stream);

}  // namespace sextant
