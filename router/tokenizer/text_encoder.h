// Walks text through the pre-tokenizer's steps and the merges.
//
// Threads:   Append is const and may run on any number of threads: each borrows a workspace (match
//            memory, heaps and a cache of pieces, 1 MiB) and gives it back; a few are kept.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "common/base/mutex.h"
#include "router/tokenizer/piece_cache.h"
#include "router/tokenizer/tokenizer_json.h"

namespace sextant {

class TextEncoder {
 public:
  using Id = Vocabulary::Id;

  // `parts` must outlive this object.
  explicit TextEncoder(const TokenizerParts& parts) : parts_(parts) {}

  // Appends the tokens of `text`, which spells no added token as far as this is concerned.
  // Errors: InvalidArgument for 2^31 bytes or more, or for a byte that has no token (such a byte is
  // in no UTF-8 text); ResourceExhausted from a regular expression. `ids` may then hold a part.
  [[nodiscard]] absl::Status Append(std::string_view text, std::vector<Id>& ids) const;

 private:
  static constexpr std::size_t kKeptWorkspaces = 8;
  // Pieces are looked up in the cache after this many steps, and before merging.
  static constexpr std::size_t kCachedStep = 2;

  struct Workspace {
    PreTokenizer::Workspace pre_tokenizer;
    BytePairMerger::Workspace merger;
    PieceCache cache;
  };
  struct Walk;

  absl::Status Descend(std::size_t step, const char* begin, const char* end, Walk& walk) const;
  absl::Status Compute(std::size_t step, const char* begin, const char* end, Walk& walk) const;

  std::unique_ptr<Workspace> Borrow() const;
  void GiveBack(std::unique_ptr<Workspace> workspace) const;

  const TokenizerParts& parts_;
  mutable Mutex mutex_;
  mutable std::vector<std::unique_ptr<Workspace>> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sextant
