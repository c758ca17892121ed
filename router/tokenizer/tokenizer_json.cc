#include "router/tokenizer/tokenizer_json.h"

#include <array>
#include <set>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status.h"
#include "common/config/json_document.h"
#include "router/tokenizer/byte_alphabet.h"
#include "router/tokenizer/checked_json.h"

namespace sextant {
namespace {

using Id = Vocabulary::Id;

constexpr int kMaxNesting = 8;

absl::Status Expect(bool condition, const JsonAt& at, absl::string_view what) {
  return condition ? absl::OkStatus() : at.Error(what);
}

absl::Status AbsentOrNull(const JsonAt& object, const char* key) {
  ASSIGN_OR_RETURN(const std::optional<JsonAt> found, object.Find(key));
  return found ? found->Error("only null is supported") : absl::OkStatus();
}

absl::Status AbsentOrEmpty(const JsonAt& object, const char* key) {
  ASSIGN_OR_RETURN(const std::optional<JsonAt> found, object.Find(key));
  if (!found || found->value() == "") return absl::OkStatus();
  return found->Error("only null or \"\" is supported");
}

absl::Status AbsentOrFalse(const JsonAt& object, const char* key) {
  ASSIGN_OR_RETURN(const bool value, object.BoolMember(key, false));
  return Expect(!value, object, absl::StrCat("\"", key, "\" is only supported as false"));
}

absl::Status ReadNormalizer(const JsonAt& at, int depth) {
  RETURN_IF_ERROR(at.OnlyMembers({"type", "normalizers"}));
  ASSIGN_OR_RETURN(const std::string type, at.StringMember("type"));
  RETURN_IF_ERROR(Expect(type == "Sequence" && depth < kMaxNesting, at,
                         absl::StrCat("the normalizer \"", type, "\" is not supported")));
  ASSIGN_OR_RETURN(const JsonAt list, at.Member("normalizers"));
  RETURN_IF_ERROR(list.IsArray());
  for (std::size_t i = 0; i < list.value().size(); ++i) {
    RETURN_IF_ERROR(ReadNormalizer(list[i], depth + 1));
  }
  return absl::OkStatus();
}

// ByteLevel as a decoder or post-processor: its options move offsets, never bytes or ids.
absl::Status ReadByteLevel(const JsonAt& at) {
  ASSIGN_OR_RETURN(const std::string type, at.StringMember("type"));
  RETURN_IF_ERROR(Expect(type == "ByteLevel", at,
                         absl::StrCat("\"", type, "\" is not supported, only \"ByteLevel\"")));
  return at.OnlyMembers({"type", "add_prefix_space", "trim_offsets", "use_regex"});
}

absl::Status ReadSplit(const JsonAt& at, PreTokenizer& out) {
  RETURN_IF_ERROR(at.OnlyMembers({"type", "pattern", "behavior", "invert"}));
  RETURN_IF_ERROR(AbsentOrFalse(at, "invert"));
  ASSIGN_OR_RETURN(const std::string behavior, at.StringMember("behavior"));
  RETURN_IF_ERROR(
      Expect(behavior == "Isolated", at,
             absl::StrCat("the behavior \"", behavior, "\" is not supported, only \"Isolated\"")));
  ASSIGN_OR_RETURN(const JsonAt pattern, at.Member("pattern"));
  RETURN_IF_ERROR(pattern.OnlyMembers({"Regex"}));
  ASSIGN_OR_RETURN(const JsonAt regex, pattern.Member("Regex"));
  ASSIGN_OR_RETURN(const std::string text, regex.String());
  const absl::StatusOr<SplitPattern> split = ReadSplitPattern(text);
  if (!split.ok()) return AddContext(split.status(), regex.path());
  return AddContext(out.AddSplit(*split), regex.path());
}

absl::Status ReadPreTokenizer(const JsonAt& at, int depth, PreTokenizer& out, bool& byte_level) {
  RETURN_IF_ERROR(Expect(!byte_level, at, "nothing may follow ByteLevel"));
  ASSIGN_OR_RETURN(const std::string type, at.StringMember("type"));
  if (type == "Split") return ReadSplit(at, out);
  if (type == "Digits") {
    RETURN_IF_ERROR(at.OnlyMembers({"type", "individual_digits"}));
    ASSIGN_OR_RETURN(const bool individual, at.BoolMember("individual_digits", false));
    return AddContext(out.AddDigits(individual), at.path());
  }
  if (type == "ByteLevel") {
    RETURN_IF_ERROR(at.OnlyMembers({"type", "add_prefix_space", "trim_offsets", "use_regex"}));
    for (const char* option : {"add_prefix_space", "use_regex"}) {
      ASSIGN_OR_RETURN(const bool value, at.BoolMember(option, true));  // true is the default there
      RETURN_IF_ERROR(
          Expect(!value, at, absl::StrCat("\"", option, "\" is only supported as false")));
    }
    byte_level = true;
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(Expect(type == "Sequence" && depth < kMaxNesting, at,
                         absl::StrCat("the pre-tokenizer \"", type, "\" is not supported")));
  RETURN_IF_ERROR(at.OnlyMembers({"type", "pretokenizers"}));
  ASSIGN_OR_RETURN(const JsonAt list, at.Member("pretokenizers"));
  RETURN_IF_ERROR(list.IsArray());
  for (std::size_t i = 0; i < list.value().size(); ++i) {
    RETURN_IF_ERROR(ReadPreTokenizer(list[i], depth + 1, out, byte_level));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<AddedToken>> ReadAddedTokens(const JsonAt& list) {
  RETURN_IF_ERROR(list.IsArray());
  std::vector<AddedToken> added;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < list.value().size(); ++i) {
    const JsonAt at = list[i];
    RETURN_IF_ERROR(at.OnlyMembers(
        {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"}));
    for (const char* option : {"single_word", "lstrip", "rstrip"})
      RETURN_IF_ERROR(AbsentOrFalse(at, option));
    ASSIGN_OR_RETURN(const JsonAt id, at.Member("id"));
    ASSIGN_OR_RETURN(const std::int64_t number, id.Integer(0, Vocabulary::kMaxId));
    ASSIGN_OR_RETURN(std::string content, at.StringMember("content"));
    RETURN_IF_ERROR(Expect(!content.empty(), at, "the content is empty"));
    RETURN_IF_ERROR(
        Expect(seen.insert(content).second, at, "another added token has this content"));
    added.push_back({std::move(content), static_cast<Id>(number)});
  }
  return added;
}

// Spellings and ids while the merges are being read.
struct Spellings {
  std::unordered_map<std::string_view, Id> id_of;  // borrows from the JSON
  std::set<Id> added_ids;
};

absl::Status ReadVocabulary(const JsonAt& at, const std::vector<AddedToken>& added,
                            Vocabulary& vocabulary, Spellings& spellings) {
  RETURN_IF_ERROR(at.IsObject());
  std::unordered_map<std::string_view, Id> added_id_of;
  for (const AddedToken& token : added) {
    added_id_of.emplace(token.content, token.id);
    spellings.added_ids.insert(token.id);
    RETURN_IF_ERROR(AddContext(vocabulary.Add(token.id, token.content, true), "added_tokens"));
  }
  spellings.id_of.reserve(at.value().size());
  for (const auto& [spelling, value] : at.value().get_ref<const nlohmann::json::object_t&>()) {
    if (!value.is_number_integer())
      return at.Error(absl::StrCat("the id of \"", spelling, "\" is no whole number"));
    ASSIGN_OR_RETURN(const std::int64_t id,
                     JsonAt(value, at.path()).Integer(0, Vocabulary::kMaxId));
    spellings.id_of.emplace(spelling, static_cast<Id>(id));
    if (const auto same = added_id_of.find(spelling); same != added_id_of.end()) {
      if (same->second != id) {
        return at.Error(absl::StrCat("\"", spelling, "\" has the id ", id, ", but ", same->second,
                                     " among added_tokens"));
      }
      continue;
    }
    const std::optional<std::string> bytes = BytesOfSpelling(spelling);
    RETURN_IF_ERROR(AddContext(vocabulary.Add(id, bytes.value_or(spelling), false), at.path()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::array<Id, 256>> ReadByteIds(const JsonAt& at, const Spellings& spellings) {
  std::array<Id, 256> ids;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const auto found = spellings.id_of.find(SpellingOfBytes({&c, 1}));
    ids[byte] = found == spellings.id_of.end() ? -1 : found->second;
    // 0xC0, 0xC1 and 0xF5 to 0xFF are in no UTF-8; DeepSeek's vocabularies lack them.
    const bool in_utf8 = byte < 0xC0 || (byte > 0xC1 && byte < 0xF5);
    if (ids[byte] < 0 && in_utf8) {
      return at.Error(absl::StrFormat(
          "no token for the byte 0x%02X, so that some text would have no tokens", byte));
    }
    if (spellings.added_ids.count(ids[byte]) != 0) {
      return at.Error(absl::StrFormat("the byte 0x%02X has the id of an added token", byte));
    }
  }
  return ids;
}

// The two sides of a merge: "a b", or ["a", "b"].
absl::StatusOr<std::pair<std::string, std::string>> ReadMerge(const JsonAt& at) {
  const nlohmann::json& value = at.value();
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    const std::size_t space = text.find(' ');
    if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos) {
      return std::pair(text.substr(0, space), text.substr(space + 1));
    }
  } else if (value.is_array() && value.size() == 2 && value[0].is_string() &&
             value[1].is_string()) {
    return std::pair(value[0].get<std::string>(), value[1].get<std::string>());
  }
  return at.Error("a merge must be \"a b\" or [\"a\", \"b\"]");
}

absl::StatusOr<MergeTable> ReadMerges(const JsonAt& at, const Spellings& spellings) {
  RETURN_IF_ERROR(at.IsArray());
  const std::size_t count = at.value().size();
  RETURN_IF_ERROR(Expect(count <= std::size_t{Vocabulary::kMaxId}, at, "too many merges"));
  MergeTable merges(count);
  const auto id_of = [&](const std::string& spelling) {
    const auto found = spellings.id_of.find(spelling);
    return found == spellings.id_of.end() ? Id{-1} : found->second;
  };
  for (std::size_t i = 0; i < count; ++i) {
    const JsonAt merge = at[i];
    ASSIGN_OR_RETURN(const auto sides, ReadMerge(merge));
    const Id left = id_of(sides.first);
    const Id right = id_of(sides.second);
    const Id whole = id_of(sides.first + sides.second);
    if (left < 0 || right < 0 || whole < 0) {
      const std::string& missing = left < 0    ? sides.first
                                   : right < 0 ? sides.second
                                               : sides.first + sides.second;
      return merge.Error(absl::StrCat("\"", missing, "\" is not in the vocabulary"));
    }
    RETURN_IF_ERROR(
        Expect(spellings.added_ids.count(whole) == 0, merge, "makes an added token out of text"));
    RETURN_IF_ERROR(Expect(merges.Add(left, right, {static_cast<std::uint32_t>(i), whole}), merge,
                           "an earlier merge joins the same two tokens"));
  }
  return merges;
}

absl::Status CheckModel(const JsonAt& model) {
  RETURN_IF_ERROR(model.OnlyMembers({"type", "dropout", "unk_token", "continuing_subword_prefix",
                                     "end_of_word_suffix", "fuse_unk", "byte_fallback",
                                     "ignore_merges", "vocab", "merges"}));
  ASSIGN_OR_RETURN(const std::string type, model.StringMember("type"));
  RETURN_IF_ERROR(Expect(type == "BPE", model,
                         absl::StrCat("the model \"", type, "\" is not supported, only \"BPE\"")));
  RETURN_IF_ERROR(AbsentOrNull(model, "dropout"));
  RETURN_IF_ERROR(AbsentOrNull(model, "unk_token"));
  RETURN_IF_ERROR(AbsentOrEmpty(model, "continuing_subword_prefix"));
  RETURN_IF_ERROR(AbsentOrEmpty(model, "end_of_word_suffix"));
  RETURN_IF_ERROR(AbsentOrFalse(model, "byte_fallback"));
  return AbsentOrFalse(model, "ignore_merges");
}

}  // namespace

absl::StatusOr<TokenizerParts> ReadTokenizerJson(std::string_view text) {
  ASSIGN_OR_RETURN(const nlohmann::json json,
                   ParseJson({text.data(), text.size()}, "tokenizer.json"));
  const JsonAt root(json, "");
  RETURN_IF_ERROR(
      root.OnlyMembers({"version", "truncation", "padding", "added_tokens", "normalizer",
                        "pre_tokenizer", "post_processor", "decoder", "model"}));
  ASSIGN_OR_RETURN(const std::string version, root.StringMember("version"));
  RETURN_IF_ERROR(Expect(version == "1.0", root,
                         absl::StrCat("the version is \"", version, "\", not \"1.0\"")));
  RETURN_IF_ERROR(AbsentOrNull(root, "truncation"));
  RETURN_IF_ERROR(AbsentOrNull(root, "padding"));
  ASSIGN_OR_RETURN(const std::optional<JsonAt> normalizer, root.Find("normalizer"));
  if (normalizer) RETURN_IF_ERROR(ReadNormalizer(*normalizer, 0));
  ASSIGN_OR_RETURN(const std::optional<JsonAt> post_processor, root.Find("post_processor"));
  if (post_processor) RETURN_IF_ERROR(ReadByteLevel(*post_processor));
  ASSIGN_OR_RETURN(const JsonAt decoder, root.Member("decoder"));
  RETURN_IF_ERROR(ReadByteLevel(decoder));

  PreTokenizer pre_tokenizer;
  bool byte_level = false;
  ASSIGN_OR_RETURN(const JsonAt steps, root.Member("pre_tokenizer"));
  RETURN_IF_ERROR(ReadPreTokenizer(steps, 0, pre_tokenizer, byte_level));
  RETURN_IF_ERROR(Expect(byte_level, steps, "must end with ByteLevel"));

  std::vector<AddedToken> added;
  ASSIGN_OR_RETURN(const std::optional<JsonAt> added_list, root.Find("added_tokens"));
  if (added_list) {
    ASSIGN_OR_RETURN(added, ReadAddedTokens(*added_list));
  }
  ASSIGN_OR_RETURN(const JsonAt model, root.Member("model"));
  RETURN_IF_ERROR(CheckModel(model));
  ASSIGN_OR_RETURN(const JsonAt vocab, model.Member("vocab"));
  ASSIGN_OR_RETURN(const JsonAt merge_list, model.Member("merges"));
  Vocabulary vocabulary;
  Spellings spellings;
  RETURN_IF_ERROR(ReadVocabulary(vocab, added, vocabulary, spellings));
  ASSIGN_OR_RETURN(const auto byte_ids, ReadByteIds(vocab, spellings));
  ASSIGN_OR_RETURN(MergeTable merges, ReadMerges(merge_list, spellings));
  return TokenizerParts{std::move(vocabulary), std::move(added), std::move(pre_tokenizer),
                        BytePairMerger(byte_ids, std::move(merges))};
}

}  // namespace sextant
