#include "router/tokenizer/tokenizer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "router/tokenizer/text_encoder.h"
#include "router/tokenizer/tokenizer_json.h"

namespace sextant {

struct Tokenizer::Parts {
  explicit Parts(TokenizerParts read) : model(std::move(read)), encoder(model) {}
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;

  TokenizerParts model;
  TextEncoder encoder;
};

Tokenizer::Tokenizer(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
Tokenizer::~Tokenizer() = default;

absl::StatusOr<std::unique_ptr<const Tokenizer>> Tokenizer::FromJson(std::string_view json) {
  ASSIGN_OR_RETURN(TokenizerParts parts, ReadTokenizerJson(json));
  return std::unique_ptr<const Tokenizer>(
      new Tokenizer(std::make_unique<const Parts>(std::move(parts))));
}

absl::StatusOr<std::vector<Tokenizer::Id>> Tokenizer::Encode(std::string_view text) const {
  std::vector<Id> ids;
  RETURN_IF_ERROR(parts_->encoder.Append(text, ids));
  return ids;
}

absl::StatusOr<std::vector<Tokenizer::Id>> Tokenizer::EncodeTrusted(
    const TemplateText& stretches) const {
  std::vector<Id> ids;
  std::string plain;
  for (const TextStretch& stretch : stretches) {
    std::string_view rest = stretch.text;
    while (stretch.trusted) {
      const AddedToken* first = nullptr;
      std::size_t first_at = std::string_view::npos;
      for (const AddedToken& token : parts_->model.added) {
        const std::size_t at = rest.find(token.content);
        const bool longer = first != nullptr && token.content.size() > first->content.size();
        if (at < first_at || (at == first_at && longer)) {
          first_at = at;
          first = &token;
        }
      }
      if (first == nullptr) break;
      plain += rest.substr(0, first_at);
      RETURN_IF_ERROR(parts_->encoder.Append(plain, ids));
      plain.clear();
      ids.push_back(first->id);
      rest.remove_prefix(first_at + first->content.size());
    }
    plain += rest;
  }
  RETURN_IF_ERROR(parts_->encoder.Append(plain, ids));
  return ids;
}

std::optional<std::string_view> Tokenizer::Bytes(Id id) const {
  return parts_->model.vocabulary.Bytes(id);
}

bool Tokenizer::IsAdded(Id id) const { return parts_->model.vocabulary.IsAdded(id); }

std::optional<Tokenizer::Id> Tokenizer::AddedId(std::string_view content) const {
  const auto& added = parts_->model.added;
  const auto found = std::find_if(added.begin(), added.end(), [&](const AddedToken& token) {
    return token.content == content;
  });
  return found == added.end() ? std::nullopt : std::optional<Id>(found->id);
}

absl::StatusOr<std::string> Tokenizer::Decode(const std::vector<Id>& ids) const {
  std::string text;
  for (const Id id : ids) {
    const std::optional<std::string_view> bytes = Bytes(id);
    if (!bytes) return absl::NotFoundError(absl::StrCat("no token has the id ", id));
    text += *bytes;
  }
  return text;
}

std::int64_t Tokenizer::IdLimit() const { return parts_->model.vocabulary.IdLimit(); }

}  // namespace sextant
