// The paged latent cache: per layer and position the compressed key/value of MLA, 576 values for
// V2-Lite ([c after norm | k_r after RoPE]), in blocks that sequences share by copy-on-write.
//
// Shapes:    [num_layers, num_blocks, block_tokens, width], bf16 or f32 by precision.
// Ownership: SequenceBlocks holds references to blocks of the cache that made it and gives them
//            back when it is destroyed or cleared; the cache outlives every one.
// Threads:   the engine thread makes every call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "attention_worker/cache/block_pool.h"
#include "common/tensor/dtype.h"
#include "kernels/mla/latent_cache.h"

namespace sextant {

struct LatentCacheShape {
  int num_layers = 0;
  std::int64_t width = 0;         // kv_lora_rank + qk_rope_head_dim
  std::int64_t block_tokens = 0;  // positions per block
  std::int32_t num_blocks = 0;
  DType dtype = DType::kBf16;

  [[nodiscard]] std::int64_t BytesPerToken() const;
  [[nodiscard]] std::int64_t BytesTotal() const;
};

// The memory that the latents lie in: the process's, or a GPU's.
class LatentStorage {
 public:
  virtual ~LatentStorage() = default;

  [[nodiscard]] virtual std::byte* data() const = 0;  // shape.BytesTotal() of it
  // Before whatever the model does next, copies `bytes` from one place of the data to another.
  virtual void Copy(std::int64_t from, std::int64_t to, std::int64_t bytes) = 0;
};

class LatentCache {
 public:
  // In the process's memory: reserves address space; pages are touched when first written.
  // Errors: ResourceExhausted when the memory cannot be reserved.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<LatentCache>> Create(
      const LatentCacheShape& shape);
  // In memory of the caller's choice.
  LatentCache(const LatentCacheShape& shape, std::unique_ptr<LatentStorage> storage);
  LatentCache(const LatentCache&) = delete;
  LatentCache& operator=(const LatentCache&) = delete;

  [[nodiscard]] const LatentCacheShape& shape() const { return shape_; }
  [[nodiscard]] BlockPool& pool() { return pool_; }
  [[nodiscard]] LatentCacheView Layer(int layer) const;

  // Copies every layer of one block to another.
  void CopyBlock(std::int32_t from, std::int32_t to);

 private:
  LatentCacheShape shape_;
  BlockPool pool_;
  std::unique_ptr<LatentStorage> storage_;
};

// The blocks of one sequence, in the order of its positions.
class SequenceBlocks {
 public:
  explicit SequenceBlocks(LatentCache& cache) : cache_(&cache) {}
  ~SequenceBlocks() { Clear(); }
  SequenceBlocks(SequenceBlocks&& other) noexcept;
  SequenceBlocks& operator=(SequenceBlocks&&) = delete;

  [[nodiscard]] absl::Span<const std::int32_t> table() const { return table_; }

  // Blocks that PrepareWrite of positions up to `end` would take from the pool.
  [[nodiscard]] std::int32_t BlocksNeeded(std::int64_t begin, std::int64_t end) const;

  // Makes positions [begin, end) writable: adds blocks at the end and copies those in the range
  // that are shared. Errors: ResourceExhausted when the pool has too few, nothing changed.
  [[nodiscard]] absl::Status PrepareWrite(std::int64_t begin, std::int64_t end);

  // Another sequence with the same first `length` positions, sharing their blocks.
  [[nodiscard]] SequenceBlocks Fork(std::int64_t length) const;

  // Begins an empty sequence with blocks that are in use or kept, sharing them.
  void Adopt(absl::Span<const std::int32_t> blocks);

  // Cache slot (block * block_tokens + offset) of a position that has a block.
  [[nodiscard]] std::int64_t Slot(std::int64_t position) const;

  // Gives every block back, the last one first.
  void Clear();

 private:
  LatentCache* cache_;
  std::vector<std::int32_t> table_;
};

}  // namespace sextant
