// Any bytes as a chat template, and any messages for it: parsing and rendering never crash, and
// only the template's own text is trusted.
//
// Input: the template, a NUL byte, the messages as JSON; without messages, a chat of three.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "common/base/check.h"
#include "common/config/json_document.h"
#include "router/chat_template/chat_template.h"
#include "tests/fuzz/parted_input.h"

namespace {

// In no template, else the test below would say nothing.
constexpr std::string_view kMark = "\x01<mark>";

nlohmann::json Messages(std::string_view text) {
  if (const auto parsed = sextant::ParseJson({text.data(), text.size()}, "fuzz"); parsed.ok()) {
    return *parsed;
  }
  const std::string mark(kMark);
  return {{{"role", "system"}, {"content", mark}},
          {{"role", "user"}, {"content", mark + "\n"}},
          {{"role", "assistant"}, {"content", mark}}};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sextant::PartedInput input = sextant::Parted(data, size);
  const auto chat_template = sextant::ChatTemplate::Parse(input.first);
  if (!chat_template.ok()) {
    CHECK(absl::IsInvalidArgument(chat_template.status()));
    return 0;
  }
  const nlohmann::json messages = Messages(input.second);
  const auto text = chat_template->Render({.messages = messages,
                                           .bos_token = "<bos>",
                                           .eos_token = "<eos>",
                                           .add_generation_prompt = size % 2 == 0});
  if (!text.ok()) {
    CHECK(absl::IsInvalidArgument(text.status()) || absl::IsResourceExhausted(text.status()));
    return 0;
  }
  const bool marked = input.first.find('\x01') != std::string_view::npos;
  bool trusted = false;
  for (std::size_t i = 0; i < text->size(); ++i) {
    const sextant::TextStretch& stretch = (*text)[i];
    CHECK(!stretch.text.empty());
    CHECK(i == 0 || stretch.trusted != trusted);
    trusted = stretch.trusted;
    CHECK(marked || !trusted || stretch.text.find(kMark) == std::string::npos);
  }
  return 0;
}
