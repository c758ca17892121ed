#include "attention_worker/cache/latent_cache.h"

#include <sys/mman.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace sextant {

std::int64_t LatentCacheShape::BytesPerToken() const { return num_layers * width * BytesOf(dtype); }

std::int64_t LatentCacheShape::BytesTotal() const {
  return BytesPerToken() * block_tokens * num_blocks;
}

namespace {

class MappedStorage final : public LatentStorage {
 public:
  MappedStorage(std::byte* data, std::size_t bytes) : data_(data), bytes_(bytes) {}
  ~MappedStorage() override { munmap(data_, bytes_); }
  MappedStorage(const MappedStorage&) = delete;
  MappedStorage& operator=(const MappedStorage&) = delete;

  [[nodiscard]] std::byte* data() const override { return data_; }
  void Copy(std::int64_t from, std::int64_t to, std::int64_t bytes) override {
    std::memcpy(data_ + to, data_ + from, static_cast<std::size_t>(bytes));
  }

 private:
  std::byte* data_;
  std::size_t bytes_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<LatentCache>> LatentCache::Create(const LatentCacheShape& shape) {
  CHECK_GE(shape.num_layers, 1);
  CHECK_GE(shape.width, 1);
  CHECK_GE(shape.block_tokens, 1);
  CHECK_GE(shape.num_blocks, 1);
  const auto bytes = static_cast<std::size_t>(shape.BytesTotal());
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot reserve ", shape.BytesTotal() >> 20, " MiB for a latent cache of ",
                     shape.block_tokens * shape.num_blocks, " tokens; ask for fewer cache tokens"));
  }
  return std::make_unique<LatentCache>(
      shape, std::make_unique<MappedStorage>(static_cast<std::byte*>(data), bytes));
}

LatentCache::LatentCache(const LatentCacheShape& shape, std::unique_ptr<LatentStorage> storage)
    : shape_(shape), pool_(shape.num_blocks), storage_(std::move(storage)) {}

LatentCacheView LatentCache::Layer(int layer) const {
  CHECK_GE(layer, 0);
  CHECK_LT(layer, shape_.num_layers);
  const std::int64_t layer_bytes = shape_.BytesTotal() / shape_.num_layers;
  return {.data = storage_->data() + layer * layer_bytes,
          .dtype = shape_.dtype,
          .num_blocks = shape_.num_blocks,
          .block_tokens = shape_.block_tokens,
          .width = shape_.width};
}

void LatentCache::CopyBlock(std::int32_t from, std::int32_t to) {
  const std::int64_t block_bytes = shape_.block_tokens * shape_.width * BytesOf(shape_.dtype);
  const std::int64_t layer_bytes = shape_.num_blocks * block_bytes;
  for (std::int64_t layer = 0; layer < shape_.num_layers; ++layer) {
    const std::int64_t begin = layer * layer_bytes;
    storage_->Copy(begin + from * block_bytes, begin + to * block_bytes, block_bytes);
  }
}

SequenceBlocks::SequenceBlocks(SequenceBlocks&& other) noexcept
    : cache_(other.cache_), table_(std::exchange(other.table_, {})) {}

std::int32_t SequenceBlocks::BlocksNeeded(std::int64_t begin, std::int64_t end) const {
  const std::int64_t block_tokens = cache_->shape().block_tokens;
  const std::int64_t last = (end + block_tokens - 1) / block_tokens;
  std::int32_t needed = 0;
  for (std::int64_t block = begin / block_tokens; block < last; ++block) {
    const auto i = static_cast<std::size_t>(block);
    if (i >= table_.size() || cache_->pool().IsShared(table_[i])) ++needed;
  }
  return needed;
}

absl::Status SequenceBlocks::PrepareWrite(std::int64_t begin, std::int64_t end) {
  const std::int64_t block_tokens = cache_->shape().block_tokens;
  CHECK_LE(begin, static_cast<std::int64_t>(table_.size()) * block_tokens);
  BlockPool& pool = cache_->pool();
  if (const std::int32_t needed = BlocksNeeded(begin, end); needed > pool.num_free()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the latent cache has ", pool.num_free(), " free blocks of ", block_tokens,
                     " tokens; positions ", begin, " to ", end - 1, " need ", needed));
  }
  const std::int64_t last = (end + block_tokens - 1) / block_tokens;
  for (std::int64_t block = begin / block_tokens; block < last; ++block) {
    const auto i = static_cast<std::size_t>(block);
    if (i >= table_.size()) {
      table_.push_back(pool.Take());
    } else if (pool.IsShared(table_[i])) {
      const std::int32_t copy = pool.Take();
      cache_->CopyBlock(table_[i], copy);
      pool.Release(table_[i]);
      table_[i] = copy;
    }
  }
  return absl::OkStatus();
}

SequenceBlocks SequenceBlocks::Fork(std::int64_t length) const {
  const std::int64_t block_tokens = cache_->shape().block_tokens;
  const auto blocks = static_cast<std::size_t>((length + block_tokens - 1) / block_tokens);
  CHECK_LE(blocks, table_.size());
  SequenceBlocks fork(*cache_);
  fork.table_.assign(table_.begin(), table_.begin() + static_cast<std::ptrdiff_t>(blocks));
  for (std::int32_t block : fork.table_) cache_->pool().AddReference(block);
  return fork;
}

std::int64_t SequenceBlocks::Slot(std::int64_t position) const {
  const std::int64_t block_tokens = cache_->shape().block_tokens;
  const auto block = static_cast<std::size_t>(position / block_tokens);
  CHECK_LT(block, table_.size());
  return table_[block] * block_tokens + position % block_tokens;
}

void SequenceBlocks::Adopt(absl::Span<const std::int32_t> blocks) {
  CHECK(table_.empty());
  table_.assign(blocks.begin(), blocks.end());
  for (std::int32_t block : table_) cache_->pool().AddReference(block);
}

void SequenceBlocks::Clear() {
  while (!table_.empty()) {
    cache_->pool().Release(table_.back());
    table_.pop_back();
  }
}

}  // namespace sextant
