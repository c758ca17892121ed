// Any bytes as tokenizer.json, and any text for the tokenizer in it: reading never crashes, and
// what is accepted gives text back as it was, without a special token in it.
//
// Input: the JSON, a NUL byte, the text. The JSON may say @BYTES@ where a vocabulary needs one
// token for each byte, which are the ids 0 to 255; a file without them is refused.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "common/base/check.h"
#include "router/tokenizer/byte_alphabet.h"
#include "router/tokenizer/incremental_detokenizer.h"
#include "router/tokenizer/tokenizer.h"
#include "router/tokenizer/utf8.h"
#include "tests/fuzz/parted_input.h"

namespace {

std::string ByteTokens() {
  nlohmann::json tokens;
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    tokens[sextant::SpellingOfBytes({&c, 1})] = byte;
  }
  const std::string object = tokens.dump();
  return object.substr(1, object.size() - 2);
}

std::string WithByteTokens(std::string_view json) {
  static const std::string& tokens = *new std::string(ByteTokens());
  constexpr std::string_view kMark = "@BYTES@";
  std::string text(json);
  if (const std::size_t at = text.find(kMark); at != std::string::npos) {
    text.replace(at, kMark.size(), tokens);
  }
  return text;
}

std::string Streamed(const sextant::Tokenizer& tokenizer,
                     const std::vector<sextant::Tokenizer::Id>& ids) {
  sextant::IncrementalDetokenizer stream(tokenizer);
  std::string text;
  for (const sextant::Tokenizer::Id id : ids) {
    const auto delta = stream.Push(id);
    CHECK(delta.ok());
    CHECK_EQ(sextant::WholeCharacters(delta->text), delta->text.size());
    text += delta->text;
  }
  return text + stream.Flush();
}

void EncodeOnce(const sextant::Tokenizer& tokenizer, std::string_view text) {
  const auto ids = tokenizer.Encode(text);
  if (!ids.ok()) {
    CHECK(absl::IsResourceExhausted(ids.status()) || absl::IsInvalidArgument(ids.status()));
    return;
  }
  for (const sextant::Tokenizer::Id id : *ids) CHECK(!tokenizer.IsAdded(id));
  const auto decoded = tokenizer.Decode(*ids);
  CHECK(decoded.ok());
  CHECK(*decoded == text);
  std::string shown;
  sextant::AppendReplacingBroken(text, shown);
  CHECK(Streamed(tokenizer, *ids) == shown);
  CHECK(tokenizer.EncodeTrusted({{std::string(text), false}}).value() == *ids);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sextant::PartedInput input = sextant::Parted(data, size);
  const auto tokenizer = sextant::Tokenizer::FromJson(WithByteTokens(input.first));
  if (tokenizer.ok()) EncodeOnce(**tokenizer, input.second);
  return 0;
}
