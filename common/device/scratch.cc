#include "common/device/scratch.h"

#include <algorithm>
#include <new>

namespace sextant {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kSmallestBlock = std::size_t{1} << 20;

}  // namespace

void Scratch::Block::Free::operator()(std::byte* block) const {
  ::operator delete[](block, std::align_val_t{kAlignment});
}

void* Scratch::Allocate(std::size_t bytes) {
  bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  while (current_ < blocks_.size() && used_ + bytes > blocks_[current_].size) {
    ++current_;
    used_ = 0;
  }
  if (current_ == blocks_.size()) {
    const std::size_t size = std::max(bytes, kSmallestBlock);
    auto* data = static_cast<std::byte*>(::operator new[](size, std::align_val_t{kAlignment}));
    Block block;
    block.data.reset(data);
    block.size = size;
    blocks_.push_back(std::move(block));
    bytes_held_ += size;
    used_ = 0;
  }
  void* result = blocks_[current_].data.get() + used_;
  used_ += bytes;
  return result;
}

}  // namespace sextant
