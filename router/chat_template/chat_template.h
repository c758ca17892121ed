// Chat templates: the part of Jinja that DeepSeek's published templates use.
//
//   {% if %} {% elif %} {% else %} {% endif %}   {% for x in list %} {% endfor %}
//   {% set name = value %}  {% set space.name = value %}   {{ value }}   {# a comment #}
//
// with strings, whole numbers, true, false, none, variables, a.b, a['b'], a[0], namespace(a=value),
// +, ==, !=, in, not in, and, or, not, `is [not] defined`, `is [not] none`, parentheses, and in
// loops loop.index, .index0, .first, .last, .length. Whitespace control ('-' and '+'), trim_blocks
// and lstrip_blocks work as `transformers` sets them. Results are those of Jinja2 3.1.
//
// Threads:   const after Parse; any number of threads.
// Errors:    InvalidArgument from Parse, with line and column, for everything else in Jinja: no
//            template is rendered half understood. InvalidArgument from Render, with the line,
//            where Jinja would raise (an attribute of something undefined, "a" + 1), or where the
//            result would be Python's spelling of a list; ResourceExhausted when the text or the
//            work grows beyond kMaxTextBytes or kMaxSteps.
#pragma once

#include <cstddef>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "router/chat_template/template_text.h"

namespace sextant {

class ChatTemplate {
 public:
  static constexpr std::size_t kMaxSourceBytes = std::size_t{1} << 20U;
  static constexpr std::size_t kMaxTextBytes = std::size_t{64} << 20U;
  static constexpr std::size_t kMaxSteps = 1'000'000;

  [[nodiscard]] static absl::StatusOr<ChatTemplate> Parse(std::string_view source);
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  struct Input {
    const nlohmann::json& messages;  // borrowed during Render; what it says is not trusted
    std::string bos_token;           // trusted
    std::string eos_token;           // trusted
    bool add_generation_prompt = true;
  };
  [[nodiscard]] absl::StatusOr<TemplateText> Render(const Input& input) const;

 private:
  struct Program;
  explicit ChatTemplate(std::unique_ptr<const Program> program);

  std::unique_ptr<const Program> program_;
};

}  // namespace sextant
