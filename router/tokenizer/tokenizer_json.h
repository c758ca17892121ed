// Reads a tokenizer.json (the format of `tokenizers` 0.23) into the parts of a Tokenizer.
//
// Read: a BPE model over the byte-level alphabet, merges as "a b" or ["a", "b"]; a pre-tokenizer
// made of Split(Regex, Isolated), Digits and, last, ByteLevel(add_prefix_space and use_regex
// false); no normalizer, or an empty sequence; a ByteLevel decoder; a post-processor that adds no
// token; added tokens that match exactly. Everything else is an error that names it: a tokenizer
// that is nearly right is worse than none.
//
// Invariant: no merge and no byte gives an added token's id, so text never becomes one.
//
// Errors:    InvalidArgument with the path inside the file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "router/tokenizer/byte_pair_merger.h"
#include "router/tokenizer/pre_tokenizer.h"
#include "router/tokenizer/vocabulary.h"

namespace sextant {

struct AddedToken {
  std::string content;
  Vocabulary::Id id;
};

struct TokenizerParts {
  Vocabulary vocabulary;
  std::vector<AddedToken> added;
  PreTokenizer pre_tokenizer;
  BytePairMerger merger;
};

[[nodiscard]] absl::StatusOr<TokenizerParts> ReadTokenizerJson(std::string_view json);

}  // namespace sextant
