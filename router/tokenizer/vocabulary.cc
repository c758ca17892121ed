#include "router/tokenizer/vocabulary.h"

#include "absl/strings/str_cat.h"

namespace sextant {

absl::Status Vocabulary::Add(std::int64_t id, std::string_view bytes, bool added) {
  if (id < 0 || id > kMaxId) {
    return absl::InvalidArgumentError(
        absl::StrCat("the token id ", id, " is outside of 0 to ", kMaxId));
  }
  if (bytes.size() > UINT32_MAX - bytes_.size()) {
    return absl::InvalidArgumentError("the tokens take more than 4 GiB");
  }
  const auto index = static_cast<std::size_t>(id);
  if (index >= tokens_.size()) tokens_.resize(index + 1);
  Token& token = tokens_[index];
  if (token.exists) {
    return absl::InvalidArgumentError(absl::StrCat("two tokens have the id ", id));
  }
  token.begin = static_cast<std::uint32_t>(bytes_.size());
  token.size = static_cast<std::uint32_t>(bytes.size());
  token.exists = true;
  token.added = added;
  bytes_ += bytes;
  return absl::OkStatus();
}

}  // namespace sextant
