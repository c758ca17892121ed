// Which blocks of the latent cache are free, and how many sequences share each one.
//
// A block holds `block_tokens` positions of every layer. Blocks are handed out lowest number
// first, so that a run is repeatable.
//
// Threads: the engine thread makes every call.
#pragma once

#include <cstdint>
#include <vector>

namespace sextant {

class BlockPool {
 public:
  explicit BlockPool(std::int32_t num_blocks);

  [[nodiscard]] std::int32_t num_blocks() const {
    return static_cast<std::int32_t>(references_.size());
  }
  [[nodiscard]] std::int32_t num_free() const { return static_cast<std::int32_t>(free_.size()); }
  [[nodiscard]] bool IsShared(std::int32_t block) const;

  // A free block with one reference. Needs num_free() > 0.
  [[nodiscard]] std::int32_t Take();
  void AddReference(std::int32_t block);
  void Release(std::int32_t block);  // back to the free ones with its last reference

 private:
  std::vector<std::int32_t> references_;  // [num_blocks], 0 = free
  std::vector<std::int32_t> free_;        // a heap, lowest number on top
};

}  // namespace sextant
