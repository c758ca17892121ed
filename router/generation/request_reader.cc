#include "router/generation/request_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status.h"
#include "common/errors/error_details.h"
#include "router/generation/read_params.h"
#include "router/tokenizer/tokenizer.h"

namespace sextant::router {
namespace {

constexpr std::size_t kMaxRequestIdBytes = 128;

// What the tokenizer and the template say of a text is about that field; a model without a
// tokenizer or a template cannot be asked this way.
absl::Status AboutField(const absl::Status& status, const std::string& field) {
  if (status.code() == absl::StatusCode::kInternal) return status;
  return FieldError(field, status.message());
}

}  // namespace

RequestReader::RequestReader(Options options, const ModelText& text)
    : options_(std::move(options)), text_(text), random_(options_.randomness) {}

absl::Status RequestReader::CheckModel(const std::string& model) const {
  if (model.empty() || model == options_.model_id) return absl::OkStatus();
  const absl::Status status =
      absl::NotFoundError(absl::StrCat("model: there is no model \"", model.substr(0, 128),
                                       "\"; served is \"", options_.model_id, "\""));
  return WithField(WithReason(status, "MODEL_NOT_FOUND"), "model");
}

absl::StatusOr<std::string> RequestReader::ReadRequestId(const std::string& given) const {
  if (given.empty()) return absl::StrFormat("r-%016x", random_.Next());
  const auto printable = [](char c) { return c >= ' ' && c <= '~'; };
  if (given.size() <= kMaxRequestIdBytes && std::all_of(given.begin(), given.end(), printable)) {
    return given;
  }
  return FieldError("request_id", absl::StrCat("must be at most ", kMaxRequestIdBytes,
                                               " printable ASCII characters"));
}

absl::StatusOr<std::vector<std::int32_t>> RequestReader::ReadText(const std::string& text) const {
  absl::StatusOr<std::vector<std::int32_t>> ids = text_.EncodePrompt(text);
  if (!ids.ok()) return AboutField(ids.status(), "text");
  return ids;
}

absl::StatusOr<std::vector<std::int32_t>> RequestReader::ReadPrompt(
    const v1::GenerateRequest& request) const {
  if (request.has_text()) return ReadText(request.text());
  if (!request.has_token_ids()) {
    return FieldError("prompt", "is missing: give text or token_ids");
  }
  const auto& ids = request.token_ids().ids();
  for (int i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= options_.vocab_size) {
      return FieldError(
          absl::StrCat("token_ids.ids[", i, "]"),
          absl::StrCat("is ", ids[i], ": the model's tokens are 0 to ", options_.vocab_size - 1));
    }
  }
  return std::vector<std::int32_t>(ids.begin(), ids.end());
}

template <typename Messages>
absl::StatusOr<std::vector<std::int32_t>> RequestReader::ReadMessages(
    const Messages& messages, const std::string& field) const {
  if (messages.empty()) return FieldError(field, "is empty: give at least one message");
  nlohmann::json json = nlohmann::json::array();
  for (int i = 0; i < messages.size(); ++i) {
    const std::string& role = messages[i].role();
    if (role != "system" && role != "user" && role != "assistant") {
      return FieldError(absl::StrCat(field, "[", i, "].role"),
                        "must be \"system\", \"user\" or \"assistant\"");
    }
    json.push_back({{"role", role}, {"content", messages[i].content()}});
  }
  absl::StatusOr<std::vector<std::int32_t>> ids = text_.EncodeChat(json);
  if (!ids.ok()) return AboutField(ids.status(), field);
  return ids;
}

absl::StatusOr<PreparedRequest> RequestReader::Complete(std::vector<std::int32_t> prompt_ids,
                                                        const std::string& prompt_field,
                                                        const v1::GenerationParams& params,
                                                        const std::string& request_id,
                                                        CallContext call) const {
  const auto prompt_tokens = static_cast<std::int64_t>(prompt_ids.size());
  if (prompt_tokens < 1) {
    return FieldError(prompt_field, "has no tokens: the model needs at least one to go on from");
  }
  if (prompt_tokens >= options_.context_length) {
    return FieldError(prompt_field, absl::StrCat("has ", prompt_tokens,
                                                 " tokens: prompt and answer together must fit ",
                                                 options_.context_length));
  }
  absl::StatusOr<PreparedRequest> request =
      ReadParams(params, text_,
                 {.context_length = options_.context_length,
                  .vocab_size = options_.vocab_size,
                  .prompt_tokens = prompt_tokens,
                  .free_seed = random_.Next() & 0xFFFFFFFFU});  // short enough to type again
  if (!request.ok()) return request.status();
  ASSIGN_OR_RETURN(request->request_id, ReadRequestId(request_id));
  if (request->client_id.empty()) request->client_id = call.caller;
  request->prompt_ids = std::move(prompt_ids);
  request->call = std::move(call);
  return request;
}

absl::StatusOr<PreparedRequest> RequestReader::Read(const v1::GenerateRequest& request,
                                                    CallContext call) const {
  RETURN_IF_ERROR(CheckModel(request.model()));
  ASSIGN_OR_RETURN(std::vector<std::int32_t> prompt_ids, ReadPrompt(request));
  return Complete(std::move(prompt_ids), request.has_text() ? "text" : "token_ids.ids",
                  request.params(), request.request_id(), std::move(call));
}

absl::StatusOr<PreparedRequest> RequestReader::Read(const v1::ChatRequest& request,
                                                    CallContext call) const {
  RETURN_IF_ERROR(CheckModel(request.model()));
  ASSIGN_OR_RETURN(std::vector<std::int32_t> prompt_ids,
                   ReadMessages(request.messages(), "messages"));
  return Complete(std::move(prompt_ids), "messages", request.params(), request.request_id(),
                  std::move(call));
}

absl::StatusOr<std::vector<std::int32_t>> RequestReader::Tokenize(
    const v1::TokenizeRequest& request) const {
  RETURN_IF_ERROR(CheckModel(request.model()));
  if (request.has_chat()) return ReadMessages(request.chat().messages(), "chat.messages");
  if (!request.has_text()) return FieldError("input", "is missing: give text or chat");
  if (request.add_bos()) return ReadText(request.text());
  if (text_.tokenizer() == nullptr) return ReadText(request.text());  // says what is missing
  absl::StatusOr<std::vector<std::int32_t>> ids = text_.tokenizer()->Encode(request.text());
  if (!ids.ok()) return AboutField(ids.status(), "text");
  return ids;
}

absl::StatusOr<std::string> RequestReader::Detokenize(const v1::DetokenizeRequest& request) const {
  RETURN_IF_ERROR(CheckModel(request.model()));
  if (text_.tokenizer() == nullptr) {
    return FieldError("token_ids", "cannot become text: the model's folder has no tokenizer");
  }
  const absl::StatusOr<std::string> bytes = text_.tokenizer()->Decode(
      std::vector<std::int32_t>(request.token_ids().begin(), request.token_ids().end()));
  if (!bytes.ok()) return AboutField(bytes.status(), "token_ids");
  return bytes;
}

}  // namespace sextant::router
