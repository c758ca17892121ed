// tokenizer_config.json: what surrounds a prompt. Members that no prompt depends on are ignored.
//
// Errors:    InvalidArgument naming the member: a wrong type, add_eos_token, a list of chat
// templates
//            without one named "default", a template that ChatTemplate does not understand.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "router/chat_template/chat_template.h"

namespace sextant {

struct TokenizerConfig {
  bool add_bos_token = false;
  std::optional<std::string> bos_token;
  std::optional<std::string> eos_token;
  std::optional<std::int64_t> model_max_length;  // absent where the file says "very large"
  std::optional<ChatTemplate> chat_template;
};

[[nodiscard]] absl::StatusOr<TokenizerConfig> ReadTokenizerConfig(std::string_view json);

}  // namespace sextant
