// Which blocks of the latent cache are free, and how many sequences share each one.
//
// A block holds `block_tokens` positions of every layer. A block whose contents others may want
// again is kept: without a reference it stays as it is until its room is needed, and can be taken
// up again. Empty blocks are handed out lowest number first, then kept ones, the one that was
// released longest ago first, so that a run is repeatable.
//
// Threads: the engine thread makes every call.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <utility>
#include <vector>

namespace sextant {

class BlockPool {
 public:
  explicit BlockPool(std::int32_t num_blocks);

  [[nodiscard]] std::int32_t num_blocks() const {
    return static_cast<std::int32_t>(blocks_.size());
  }
  // Blocks without a reference: what Take can give.
  [[nodiscard]] std::int32_t num_free() const {
    return static_cast<std::int32_t>(empty_.size() + idle_.size());
  }
  // Whether a write would change what others see: there are several references, or it is kept.
  [[nodiscard]] bool IsShared(std::int32_t block) const;

  // A free block with one reference, no longer kept. Needs num_free() > 0.
  [[nodiscard]] std::int32_t Take();
  void AddReference(std::int32_t block);  // of a block that has one, or is kept
  void Release(std::int32_t block);       // with its last reference it is free

  // Keeps a block that has a reference, or gives one up that is kept.
  void Keep(std::int32_t block);
  void Forget(std::int32_t block);
  [[nodiscard]] bool IsKept(std::int32_t block) const { return At(block).kept; }

  // Called when Take is about to give out a kept block; null: nobody.
  void set_eviction_listener(std::function<void(std::int32_t block)> listener) {
    listener_ = std::move(listener);
  }

 private:
  struct Block {
    std::int32_t references = 0;
    bool kept = false;
    std::list<std::int32_t>::iterator idle = {};  // its place, while it is kept and free
  };

  [[nodiscard]] Block& At(std::int32_t block) { return blocks_[static_cast<std::size_t>(block)]; }
  [[nodiscard]] const Block& At(std::int32_t block) const {
    return blocks_[static_cast<std::size_t>(block)];
  }
  void PushEmpty(std::int32_t block);

  std::vector<Block> blocks_;        // [num_blocks]
  std::vector<std::int32_t> empty_;  // a heap, lowest number on top
  std::list<std::int32_t> idle_;     // kept and free; released longest ago first
  std::function<void(std::int32_t block)> listener_;
};

}  // namespace sextant
