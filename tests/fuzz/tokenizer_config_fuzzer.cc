// Any bytes as tokenizer_config.json: reading never crashes, and an accepted template renders or
// says why not.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "common/base/check.h"
#include "router/tokenizer/tokenizer_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto config = sextant::ReadTokenizerConfig({reinterpret_cast<const char*>(data), size});
  if (!config.ok()) {
    CHECK(absl::IsInvalidArgument(config.status()));
    return 0;
  }
  if (config->model_max_length) CHECK_GT(*config->model_max_length, 0);
  if (!config->chat_template) return 0;
  const nlohmann::json messages = {{{"role", "user"}, {"content", "Hi"}}};
  const auto text = config->chat_template->Render({.messages = messages,
                                                   .bos_token = config->bos_token.value_or(""),
                                                   .eos_token = config->eos_token.value_or("")});
  CHECK(text.ok() || absl::IsInvalidArgument(text.status()) ||
        absl::IsResourceExhausted(text.status()));
  return 0;
}
