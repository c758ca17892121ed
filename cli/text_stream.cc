#include "cli/text_stream.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "router/tokenizer/incremental_detokenizer.h"

namespace sextant::cli {
namespace {

class DetokenizedStream final : public TextStream {
 public:
  DetokenizedStream(const Tokenizer& tokenizer, const std::vector<std::string>& stop_strings)
      : detokenizer_(tokenizer, stop_strings) {}

  absl::StatusOr<TextDelta> Push(std::int32_t id) override {
    ASSIGN_OR_RETURN(IncrementalDetokenizer::Delta delta, detokenizer_.Push(id));
    return TextDelta{.text = std::move(delta.text), .stopped = delta.stopped};
  }
  std::string Flush() override { return detokenizer_.Flush(); }

 private:
  IncrementalDetokenizer detokenizer_;
};

class IdStream final : public TextStream {
 public:
  absl::StatusOr<TextDelta> Push(std::int32_t id) override {
    return TextDelta{.text = absl::StrCat(first_ ? (first_ = false, "") : " ", id)};
  }
  std::string Flush() override { return ""; }

 private:
  bool first_ = true;
};

}  // namespace

std::unique_ptr<TextStream> MakeTextStream(const ModelText& text,
                                           const std::vector<std::string>& stop_strings) {
  if (text.tokenizer() == nullptr) return std::make_unique<IdStream>();
  return std::make_unique<DetokenizedStream>(*text.tokenizer(), stop_strings);
}

absl::StatusOr<std::vector<std::int32_t>> EncodeChatText(const ModelText& text,
                                                         std::string_view messages) {
  const nlohmann::json parsed =
      nlohmann::json::parse(messages, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) {
    return absl::InvalidArgumentError(
        "the chat is not JSON; write [{\"role\":\"user\",\"content\":\"...\"}]");
  }
  return text.EncodeChat(parsed);
}

}  // namespace sextant::cli
