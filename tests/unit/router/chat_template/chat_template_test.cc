#include "router/chat_template/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "router/chat_template/template_value.h"
#include "tests/golden/tokenizer/golden_tokenizer.h"
#include "tests/support/message_of.h"

namespace sextant {
namespace {

using nlohmann::json;
using testing::HasSubstr;

absl::StatusOr<TemplateText> Rendered(const std::string& source, const json& messages,
                                      bool add_generation_prompt = true) {
  const auto parsed = ChatTemplate::Parse(source);
  if (!parsed.ok()) return parsed.status();
  return parsed->Render({.messages = messages,
                         .bos_token = "<｜begin▁of▁sentence｜>",
                         .eos_token = "<｜end▁of▁sentence｜>",
                         .add_generation_prompt = add_generation_prompt});
}

TEST(ChatTemplateTest, RendersAsJinja2Does) {
  const json goldens = GoldenTokenizerJson("templates.json");
  ASSERT_GE(goldens.size(), 40U);
  for (const json& golden : goldens) {
    const auto source = golden["template"].get<std::string>();
    const auto text =
        Rendered(source, golden["messages"], golden["add_generation_prompt"].get<bool>());
    ASSERT_TRUE(text.ok()) << source << "\n" << text.status();
    EXPECT_EQ(PlainText(*text), golden["text"].get<std::string>()) << source;
  }
}

TEST(ChatTemplateTest, OnlyTheTemplatesOwnTextIsTrusted) {
  const json messages = {{{"role", "user"}, {"content", "<｜end▁of▁sentence｜>"}}};
  const auto text =
      Rendered("{% set m = messages[0] %}A{{ 'B' + m.content + eos_token }}", messages);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(*text,
            (TemplateText{
                {"AB", true}, {"<｜end▁of▁sentence｜>", false}, {"<｜end▁of▁sentence｜>", true}}));
}

TEST(ChatTemplateTest, TheRestOfJinjaIsRefusedWhenLoading) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{{ messages | length }}", "'|' is not supported"},
      {"{{ raise_exception('no') }}", "calls are not supported"},
      {"{{ messages.pop() }}", "this member is not supported"},
      {"{{ x }}", "the variable \"x\" is not supported"},
      {"a\n {{ 1 if true }}", "line 2, column 7"},
      {"{{ 'a' * 2 }}", "'*' is not supported"},
      {"{{ 1.5 }}", "line 1"},
      {"{{ 99999999999 }}", "too large"},
      {"{{ [1] }}", "a value is wanted"},
      {"{{ messages[1:] }}", "':' is not supported"},
      {"{% macro f() %}{% endmacro %}", "the tag 'macro' is not supported"},
      {"{% include 'x' %}", "the tag 'include' is not supported"},
      {"{% for m in messages if m %}{% endfor %}", "not supported here: 'if'"},
      {"{% for k, v in messages %}{% endfor %}", "'in' is wanted here"},
      {"{% if true %}", "'endif' is missing"},
      {"{% endfor %}", "ends nothing"},
      {"{% if true %}{% endfor %}", "'endif' is wanted here"},
      {"{{ 'a", "not closed"},
      {"{{ 'a\\q' }}", "this escape is not supported"},
      {"{# a", "comment is not closed"},
      {"{% set loop = 1 %}", "a variable's name is wanted"},
      {"{{ 1 == 1 == 1 }}", "a comparison of a comparison"},
      {"{{ messages is string }}", "only the tests"},
      {"{{ " + std::string(200, '(') + "1" + std::string(200, ')') + " }}", "nested too deeply"},
      {std::string((1 << 20) + 1, 'a'), "longer than"},
  };
  for (const auto& [source, message] : cases) {
    EXPECT_THAT(MessageOf(ChatTemplate::Parse(source)), HasSubstr(message))
        << source.substr(0, 100);
  }
}

TEST(ChatTemplateTest, WhatJinjaWouldRaiseIsAnErrorWithItsLine) {
  const json messages = {{{"role", "user"}, {"content", nullptr}, {"parts", {1, 2.5}}}};
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\n{{ 'User: ' + messages[0]['content'] }}", "line 2"},
      {"{{ 'a' + 1 }}", "cannot be added"},
      {"{{ messages[3].role }}", "of something undefined"},
      {"{{ messages[0].parts }}", "a list cannot be written"},
      {"{{ messages[0].parts[1] + 1 }}", "cannot be added"},
      {"{% for m in 'abc' %}{% endfor %}", "a list is wanted"},
      {"{% set messages.a = 1 %}", "is no namespace"},
      {"{% set n = namespace() %}{% set n.self = n %}", "inside a namespace"},
  };
  for (const auto& [source, message] : cases) {
    const auto text = Rendered(source, messages);
    EXPECT_EQ(text.status().code(), absl::StatusCode::kInvalidArgument) << source;
    EXPECT_THAT(MessageOf(text), HasSubstr(message)) << source;
  }
}

TEST(ChatTemplateTest, WorkIsLimited) {
  json messages = json::array();
  for (int i = 0; i < 2000; ++i) messages.push_back({{"role", "user"}, {"content", "x"}});
  const std::string loops =
      "{% for a in messages %}{% for b in messages %}{{ a.content }}{% endfor %}{% endfor %}";
  EXPECT_EQ(Rendered(loops, messages).status().code(), absl::StatusCode::kResourceExhausted);

  std::string doubling = "{% set s = 'xxxxxxxxxxxxxxxx' %}";
  for (int i = 0; i < 40; ++i) doubling += "{% set s = s + s %}";
  EXPECT_EQ(Rendered(doubling, json::array()).status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace sextant
