// Byte-pair encoding of one piece: its bytes become tokens, then the pair of neighbours with the
// lowest rank, of equal ones the leftmost, merges, until no pair has a merge.
//
// Threads:   const; each thread brings its own Workspace.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "router/tokenizer/merge_table.h"

namespace sextant {

class BytePairMerger {
 public:
  using Id = MergeTable::Id;

  // `byte_ids`: the token of each byte, -1 where there is none.
  BytePairMerger(const std::array<Id, 256>& byte_ids, MergeTable merges)
      : byte_ids_(byte_ids), merges_(std::move(merges)) {}

  class Workspace {
    friend class BytePairMerger;
    struct Symbol {
      Id id;
      std::int32_t previous;
      std::int32_t next;
    };
    std::vector<Symbol> symbols;
    std::vector<std::uint64_t> queue;  // rank << 32 | position, a heap with the least on top
  };

  [[nodiscard]] Id ByteId(unsigned char byte) const { return byte_ids_[byte]; }

  // Appends the tokens of `piece`, which is shorter than 2^31 and all of whose bytes have a token.
  void Encode(std::string_view piece, Workspace& workspace, std::vector<Id>& ids) const;

 private:
  void EncodeShort(std::string_view piece, std::vector<Id>& ids) const;
  void EncodeLong(std::string_view piece, Workspace& workspace, std::vector<Id>& ids) const;

  std::array<Id, 256> byte_ids_;
  MergeTable merges_;
};

}  // namespace sextant
