// Remembers the tokens of short pieces of text, because words repeat.
//
// A table of fixed size (1 MiB) in which a new piece replaces whatever shared its slot: bounded,
// and never in need of cleaning. One cache line an entry.
//
// Threads:   one at a time; the tokenizer lends each caller its own.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace sextant {

class PieceCache {
 public:
  using Id = std::int32_t;
  static constexpr std::size_t kMaxBytes = 28;
  static constexpr std::size_t kMaxIds = 7;

  PieceCache() : entries_(kEntries) {}

  // A piece of 1 to kMaxBytes bytes that has passed `step` steps of the pre-tokenizer.
  class Key {
   public:
    Key(std::string_view piece, std::size_t step);

   private:
    friend class PieceCache;
    std::array<std::uint64_t, 4> words_;  // the bytes, zeros, the size, the step
    std::size_t slot_;
  };

  // The tokens of that piece; nullptr when they are not known.
  struct Ids {
    std::uint32_t count;
    std::array<Id, kMaxIds> ids;
  };
  [[nodiscard]] const Ids* Find(const Key& key) const {
    const Entry& entry = entries_[key.slot_];
    return entry.words == key.words_ ? &entry.ids : nullptr;
  }
  // Forgets what was in the slot. `ids` has at most kMaxIds elements.
  void Put(const Key& key, std::span<const Id> ids);

 private:
  static constexpr std::size_t kEntries = 16384;
  struct alignas(64) Entry {
    std::array<std::uint64_t, 4> words{};  // all zero: empty, as every key has a size
    Ids ids{};
  };

  std::vector<Entry> entries_;
};

}  // namespace sextant
