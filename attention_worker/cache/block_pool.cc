#include "attention_worker/cache/block_pool.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "common/base/check.h"

namespace sextant {

BlockPool::BlockPool(std::int32_t num_blocks) {
  CHECK_GE(num_blocks, 1);
  references_.assign(static_cast<std::size_t>(num_blocks), 0);
  free_.resize(static_cast<std::size_t>(num_blocks));
  std::iota(free_.begin(), free_.end(), 0);  // ascending is already a min-heap
}

bool BlockPool::IsShared(std::int32_t block) const {
  return references_[static_cast<std::size_t>(block)] > 1;
}

std::int32_t BlockPool::Take() {
  CHECK(!free_.empty());
  std::pop_heap(free_.begin(), free_.end(), std::greater<>());
  const std::int32_t block = free_.back();
  free_.pop_back();
  references_[static_cast<std::size_t>(block)] = 1;
  return block;
}

void BlockPool::AddReference(std::int32_t block) {
  CHECK_GT(references_[static_cast<std::size_t>(block)], 0);
  ++references_[static_cast<std::size_t>(block)];
}

void BlockPool::Release(std::int32_t block) {
  std::int32_t& references = references_[static_cast<std::size_t>(block)];
  CHECK_GT(references, 0);
  if (--references > 0) return;
  free_.push_back(block);
  std::push_heap(free_.begin(), free_.end(), std::greater<>());
}

}  // namespace sextant
