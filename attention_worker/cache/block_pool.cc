#include "attention_worker/cache/block_pool.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "common/base/check.h"

namespace sextant {

BlockPool::BlockPool(std::int32_t num_blocks) {
  CHECK_GE(num_blocks, 1);
  blocks_.resize(static_cast<std::size_t>(num_blocks));
  empty_.resize(static_cast<std::size_t>(num_blocks));
  std::iota(empty_.begin(), empty_.end(), 0);  // ascending is already a min-heap
}

bool BlockPool::IsShared(std::int32_t block) const {
  return At(block).references > 1 || At(block).kept;
}

std::int32_t BlockPool::Take() {
  CHECK_GT(num_free(), 0);
  std::int32_t block = 0;
  if (!empty_.empty()) {
    std::pop_heap(empty_.begin(), empty_.end(), std::greater<>());
    block = empty_.back();
    empty_.pop_back();
  } else {
    block = idle_.front();
    if (listener_ != nullptr) listener_(block);
    idle_.pop_front();
    At(block).kept = false;
  }
  At(block).references = 1;
  return block;
}

void BlockPool::AddReference(std::int32_t block) {
  Block& entry = At(block);
  if (entry.references == 0) {
    CHECK(entry.kept);
    idle_.erase(entry.idle);
  }
  ++entry.references;
}

void BlockPool::Release(std::int32_t block) {
  Block& entry = At(block);
  CHECK_GT(entry.references, 0);
  if (--entry.references > 0) return;
  if (entry.kept) {
    entry.idle = idle_.insert(idle_.end(), block);
  } else {
    PushEmpty(block);
  }
}

void BlockPool::Keep(std::int32_t block) {
  CHECK_GT(At(block).references, 0);
  At(block).kept = true;
}

void BlockPool::Forget(std::int32_t block) {
  Block& entry = At(block);
  CHECK(entry.kept);
  entry.kept = false;
  if (entry.references > 0) return;
  idle_.erase(entry.idle);
  PushEmpty(block);
}

void BlockPool::PushEmpty(std::int32_t block) {
  empty_.push_back(block);
  std::push_heap(empty_.begin(), empty_.end(), std::greater<>());
}

}  // namespace sextant
