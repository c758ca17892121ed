// Text to token ids and back, as a model's tokenizer.json says: byte-level BPE.
//
// Encode gives exactly the ids of the `tokenizers` library (PyPI, 0.23) for text that spells no
// added token. Here such text stays text: the ids of added tokens ("special" or not) come only
// from EncodeTrusted and from whoever knows them, never from Encode.
// Bytes that are not UTF-8 look like U+0000 to the patterns and become the tokens of those bytes,
// so that decoding gives the input back.
//
// Threads:   every method is const and may be called from any number of threads.
// Errors:    InvalidArgument from FromJson, naming what in the file is not supported or broken.
//            Encode fails only for text of 2^31 bytes or more, for a byte outside of UTF-8 that the
//            vocabulary has no token for, or when one of the file's regular expressions exceeds its
//            matching limits.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "router/chat_template/template_text.h"

namespace sextant {

class Tokenizer {
 public:
  using Id = std::int32_t;

  // The contents of a tokenizer.json.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<const Tokenizer>> FromJson(
      std::string_view json);
  ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // `text` is a user's: nothing in it can become an added token.
  [[nodiscard]] absl::StatusOr<std::vector<Id>> Encode(std::string_view text) const;

  // Trusted stretches may spell added tokens (leftmost, then longest) and become them. Around
  // those, neighbouring stretches are tokenized as one text.
  [[nodiscard]] absl::StatusOr<std::vector<Id>> EncodeTrusted(const TemplateText& stretches) const;

  // The bytes that `id` stands for, valid as long as this object; empty optional when no token has
  // that id. An added token gives the text that spells it.
  [[nodiscard]] std::optional<std::string_view> Bytes(Id id) const;
  [[nodiscard]] bool IsAdded(Id id) const;
  // The id of the added token that is spelled `content`.
  [[nodiscard]] std::optional<Id> AddedId(std::string_view content) const;

  // All bytes of `ids`, in order. NotFound names the first id that has no token.
  [[nodiscard]] absl::StatusOr<std::string> Decode(const std::vector<Id>& ids) const;

  // One more than the largest id that has a token.
  [[nodiscard]] std::int64_t IdLimit() const;

 private:
  struct Parts;
  explicit Tokenizer(std::unique_ptr<const Parts> parts);

  std::unique_ptr<const Parts> parts_;
};

}  // namespace sextant
