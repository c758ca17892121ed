#include "router/chat_template/interpreter.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "router/chat_template/chat_template.h"

namespace sextant {
namespace {

using Kind = TemplateExpression::Kind;
using Text = std::shared_ptr<const TemplateText>;
using Json = const nlohmann::json*;

constexpr std::size_t kBytesPerStep = 256;

// A truth value or a number; Python counts true as 1.
const std::int64_t* Number(const TemplateValue& value, std::int64_t& room) {
  if (const auto* flag = std::get_if<bool>(&value)) {
    room = *flag ? 1 : 0;
    return &room;
  }
  return std::get_if<std::int64_t>(&value);
}

// A namespace in a namespace could come to hold itself, or a chain too long to take apart.
absl::Status IsNoNamespace(const TemplateToken& at, const TemplateValue& value) {
  if (!std::holds_alternative<std::shared_ptr<TemplateNamespace>>(value)) return absl::OkStatus();
  return TemplateError(at, "a namespace inside a namespace is not supported");
}

TemplateValue LoopMember(const TemplateLoop& loop, const std::string& name) {
  if (name == "index") return loop.index0 + 1;
  if (name == "index0") return loop.index0;
  if (name == "first") return loop.index0 == 0;
  if (name == "last") return loop.index0 + 1 == loop.length;
  if (name == "length") return loop.length;
  return TemplateUndefined{};
}

TemplateValue JsonMember(const nlohmann::json& json, const std::string& name) {
  if (!json.is_object()) return TemplateUndefined{};
  const auto found = json.find(name);
  return found == json.end() ? TemplateValue(TemplateUndefined{}) : JsonValue(*found);
}

}  // namespace

absl::StatusOr<TemplateText> TemplateInterpreter::Run(const TemplateBody& body) {
  RETURN_IF_ERROR(Execute(body));
  return std::move(text_);
}

absl::Status TemplateInterpreter::Charge(const TemplateToken& at, std::size_t bytes) {
  steps_ += 1 + bytes / kBytesPerStep;
  if (steps_ <= ChatTemplate::kMaxSteps) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("line ", at.line, ": the template takes too many steps on these messages"));
}

absl::Status TemplateInterpreter::Execute(const TemplateBody& body) {
  for (const TemplateStatement& statement : body) {
    RETURN_IF_ERROR(Charge(statement.at, 0));
    switch (statement.kind) {
      case TemplateStatement::Kind::kText:
        RETURN_IF_ERROR(Write(statement.at, TextValue(statement.text, true)));
        break;
      case TemplateStatement::Kind::kOutput: {
        ASSIGN_OR_RETURN(const TemplateValue value, Evaluate(statement.expression));
        RETURN_IF_ERROR(Write(statement.at, value));
        break;
      }
      case TemplateStatement::Kind::kSet:
        RETURN_IF_ERROR(Set(statement));
        break;
      case TemplateStatement::Kind::kIf:
        RETURN_IF_ERROR(If(statement));
        break;
      case TemplateStatement::Kind::kFor:
        RETURN_IF_ERROR(For(statement));
        break;
    }
  }
  return absl::OkStatus();
}

absl::Status TemplateInterpreter::Write(const TemplateToken& at, const TemplateValue& value) {
  std::int64_t room = 0;
  TemplateText written;
  if (const auto* text = std::get_if<Text>(&value)) {
    written = **text;
  } else if (const auto* flag = std::get_if<bool>(&value)) {
    AppendStretch({*flag ? "True" : "False", false}, written);
  } else if (const std::int64_t* number = Number(value, room)) {
    AppendStretch({absl::StrCat(*number), false}, written);
  } else if (std::holds_alternative<TemplateNone>(value)) {
    AppendStretch({"None", false}, written);
  } else if (!std::holds_alternative<TemplateUndefined>(value)) {
    return TemplateError(at, absl::StrCat(KindName(value), " cannot be written"));
  }
  const std::size_t bytes = TextBytes(written);
  RETURN_IF_ERROR(Charge(at, bytes));
  text_bytes_ += bytes;
  if (text_bytes_ > ChatTemplate::kMaxTextBytes) {
    return absl::ResourceExhaustedError(absl::StrCat("line ", at.line, ": the text grows beyond ",
                                                     ChatTemplate::kMaxTextBytes, " bytes"));
  }
  for (TextStretch& stretch : written) AppendStretch(std::move(stretch), text_);
  return absl::OkStatus();
}

absl::Status TemplateInterpreter::Set(const TemplateStatement& statement) {
  ASSIGN_OR_RETURN(TemplateValue value, Evaluate(statement.expression));
  if (statement.member.empty()) {
    scopes_.back()[statement.name] = std::move(value);
    return absl::OkStatus();
  }
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    const auto found = scope->find(statement.name);
    if (found == scope->end()) continue;
    if (const auto* space = std::get_if<std::shared_ptr<TemplateNamespace>>(&found->second)) {
      RETURN_IF_ERROR(IsNoNamespace(statement.at, value));
      (*space)->members[statement.member] = std::move(value);
      return absl::OkStatus();
    }
    break;
  }
  return TemplateError(statement.at, absl::StrCat("\"", statement.name, "\" is no namespace"));
}

absl::Status TemplateInterpreter::If(const TemplateStatement& statement) {
  for (const TemplateStatement::Branch& branch : statement.branches) {
    if (!branch.condition.empty()) {
      ASSIGN_OR_RETURN(const TemplateValue condition, Evaluate(branch.condition.front()));
      if (!IsTrue(condition)) continue;
    }
    return Execute(branch.body);
  }
  return absl::OkStatus();
}

absl::Status TemplateInterpreter::For(const TemplateStatement& statement) {
  ASSIGN_OR_RETURN(const TemplateValue value, Evaluate(statement.expression));
  if (std::holds_alternative<TemplateUndefined>(value)) return absl::OkStatus();  // as in Jinja
  const Json* list = std::get_if<Json>(&value);
  if (list == nullptr || !(*list)->is_array()) {
    return TemplateError(statement.at, absl::StrCat("a list is wanted, not ", KindName(value)));
  }
  TemplateLoop loop{0, static_cast<std::int64_t>((*list)->size())};
  for (const nlohmann::json& element : **list) {
    RETURN_IF_ERROR(Charge(statement.at, 0));
    scopes_.push_back({{statement.name, JsonValue(element)}, {"loop", loop}});
    const absl::Status status = Execute(statement.branches.front().body);
    scopes_.pop_back();
    RETURN_IF_ERROR(status);
    ++loop.index0;
  }
  return absl::OkStatus();
}

TemplateInterpreter::Result TemplateInterpreter::Evaluate(const TemplateExpression& expression) {
  RETURN_IF_ERROR(Charge(expression.at, 0));
  switch (expression.kind) {
    case Kind::kLiteral:
      return expression.literal;
    case Kind::kVariable:
      for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
        const auto found = scope->find(expression.name);
        if (found != scope->end()) return found->second;
      }
      return TemplateUndefined{};
    case Kind::kNamespace: {
      auto space = std::make_shared<TemplateNamespace>();
      for (std::size_t i = 0; i < expression.names.size(); ++i) {
        ASSIGN_OR_RETURN(TemplateValue value, Evaluate(expression.operands[i]));
        RETURN_IF_ERROR(IsNoNamespace(expression.at, value));
        space->members[expression.names[i]] = std::move(value);
      }
      return space;
    }
    case Kind::kMember:
      return Member(expression);
    case Kind::kElement:
      return Element(expression);
    case Kind::kSum:
      return Sum(expression);
    case Kind::kAnd:
    case Kind::kOr: {
      // As in Python, the value that decides, not merely true or false.
      TemplateValue value;
      for (const TemplateExpression& operand : expression.operands) {
        ASSIGN_OR_RETURN(value, Evaluate(operand));
        if (IsTrue(value) == (expression.kind == Kind::kOr)) break;
      }
      return value;
    }
    default: {
      ASSIGN_OR_RETURN(const bool holds, Holds(expression));
      return holds;
    }
  }
}

absl::StatusOr<bool> TemplateInterpreter::Holds(const TemplateExpression& expression) {
  ASSIGN_OR_RETURN(const TemplateValue first, Evaluate(expression.operands[0]));
  if (expression.kind == Kind::kNot) return !IsTrue(first);
  if (expression.kind == Kind::kNone) return std::holds_alternative<TemplateNone>(first);
  if (expression.kind == Kind::kDefined) return !std::holds_alternative<TemplateUndefined>(first);
  ASSIGN_OR_RETURN(const TemplateValue second, Evaluate(expression.operands[1]));
  if (expression.kind == Kind::kEqual) return Equal(expression.at, first, second);
  return In(expression.at, first, second);
}

absl::StatusOr<bool> TemplateInterpreter::Equal(const TemplateToken& at, const TemplateValue& a,
                                                const TemplateValue& b) {
  std::int64_t room_a = 0;
  std::int64_t room_b = 0;
  const std::int64_t* number_a = Number(a, room_a);
  const std::int64_t* number_b = Number(b, room_b);
  if (number_a != nullptr && number_b != nullptr) return *number_a == *number_b;
  if (a.index() != b.index()) {
    const auto opaque = [](const TemplateValue& v) {
      return std::holds_alternative<Json>(v) && std::get<Json>(v)->is_number();
    };
    if (!opaque(a) && !opaque(b)) return false;
  } else if (const auto* text = std::get_if<Text>(&a)) {
    const Text& other = std::get<Text>(b);
    RETURN_IF_ERROR(Charge(at, TextBytes(**text) + TextBytes(*other)));
    return PlainText(**text) == PlainText(*other);
  } else if (std::holds_alternative<TemplateNone>(a) ||
             std::holds_alternative<TemplateUndefined>(a)) {
    return true;
  }
  return TemplateError(at, absl::StrCat(KindName(a), " cannot be compared with ", KindName(b)));
}

absl::StatusOr<bool> TemplateInterpreter::In(const TemplateToken& at, const TemplateValue& a,
                                             const TemplateValue& b) {
  const auto* needle = std::get_if<Text>(&a);
  if (needle != nullptr) {
    const std::string name = PlainText(**needle);
    RETURN_IF_ERROR(Charge(at, name.size()));
    if (const auto* text = std::get_if<Text>(&b)) {
      RETURN_IF_ERROR(Charge(at, TextBytes(**text)));
      return PlainText(**text).find(name) != std::string::npos;
    }
    if (const auto* json = std::get_if<Json>(&b); json != nullptr && (*json)->is_object()) {
      return (*json)->contains(name);
    }
  }
  if (std::holds_alternative<TemplateUndefined>(b)) return false;  // as in Jinja
  return TemplateError(
      at, absl::StrCat("'in' is not supported for ", KindName(a), " in ", KindName(b)));
}

TemplateInterpreter::Result TemplateInterpreter::Sum(const TemplateExpression& expression) {
  ASSIGN_OR_RETURN(TemplateValue sum, Evaluate(expression.operands[0]));
  for (std::size_t i = 1; i < expression.operands.size(); ++i) {
    ASSIGN_OR_RETURN(const TemplateValue next, Evaluate(expression.operands[i]));
    const auto* text = std::get_if<Text>(&sum);
    const auto* next_text = std::get_if<Text>(&next);
    const auto* number = std::get_if<std::int64_t>(&sum);
    const auto* next_number = std::get_if<std::int64_t>(&next);
    std::int64_t total = 0;
    if (text != nullptr && next_text != nullptr) {
      const std::size_t bytes = TextBytes(**text) + TextBytes(**next_text);
      RETURN_IF_ERROR(Charge(expression.at, bytes));
      if (bytes > ChatTemplate::kMaxTextBytes) {
        return absl::ResourceExhaustedError(absl::StrCat("line ", expression.at.line,
                                                         ": the text grows beyond ",
                                                         ChatTemplate::kMaxTextBytes, " bytes"));
      }
      TemplateText joined = **text;
      for (const TextStretch& stretch : **next_text) AppendStretch(stretch, joined);
      sum = std::make_shared<const TemplateText>(std::move(joined));
    } else if (number != nullptr && next_number != nullptr &&
               !__builtin_add_overflow(*number, *next_number, &total)) {
      sum = total;
    } else {
      return TemplateError(
          expression.at, absl::StrCat(KindName(sum), " and ", KindName(next), " cannot be added"));
    }
  }
  return sum;
}

TemplateInterpreter::Result TemplateInterpreter::Member(const TemplateExpression& expression) {
  ASSIGN_OR_RETURN(const TemplateValue object, Evaluate(expression.operands[0]));
  if (const auto* json = std::get_if<Json>(&object)) return JsonMember(**json, expression.name);
  if (const auto* loop = std::get_if<TemplateLoop>(&object))
    return LoopMember(*loop, expression.name);
  if (const auto* space = std::get_if<std::shared_ptr<TemplateNamespace>>(&object)) {
    const auto found = (*space)->members.find(expression.name);
    return found == (*space)->members.end() ? TemplateValue(TemplateUndefined{}) : found->second;
  }
  if (std::holds_alternative<TemplateUndefined>(object)) {
    return TemplateError(expression.at,
                         absl::StrCat("member \"", expression.name, "\" of something undefined"));
  }
  return TemplateUndefined{};
}

TemplateInterpreter::Result TemplateInterpreter::Element(const TemplateExpression& expression) {
  ASSIGN_OR_RETURN(const TemplateValue object, Evaluate(expression.operands[0]));
  ASSIGN_OR_RETURN(const TemplateValue index, Evaluate(expression.operands[1]));
  const auto* json = std::get_if<Json>(&object);
  if (const auto* name = std::get_if<Text>(&index)) {
    RETURN_IF_ERROR(Charge(expression.at, TextBytes(**name)));
    if (json != nullptr) return JsonMember(**json, PlainText(**name));
    if (!std::holds_alternative<TemplateUndefined>(object)) return TemplateUndefined{};
  }
  if (const auto* place = std::get_if<std::int64_t>(&index);
      place != nullptr && json != nullptr && (*json)->is_array()) {
    const bool inside = *place >= 0 && *place < static_cast<std::int64_t>((*json)->size());
    return inside ? JsonValue((**json)[static_cast<std::size_t>(*place)]) : TemplateUndefined{};
  }
  return TemplateError(expression.at, absl::StrCat("an element of ", KindName(object), " by ",
                                                   KindName(index), " is not supported"));
}

}  // namespace sextant
