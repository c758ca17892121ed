#include "tests/integration/cluster/extreme_messages.h"

#include <functional>
#include <limits>
#include <memory>

#include "absl/strings/str_cat.h"

namespace sextant {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr int kDeepest = 4;
constexpr int kLongList = 20'000;
constexpr std::size_t kLongText = 1 << 18;

struct Value {
  std::string name;
  std::function<void(Message&, const FieldDescriptor&)> put;  // sets, or adds one to a list
  bool valid = true;
};

// A value of the field's C++ type, by the setter or the adder of that type.
template <typename T>
Value Scalar(const std::string& name, T value,
             void (Reflection::*set)(Message*, const FieldDescriptor*, T) const,
             void (Reflection::*add)(Message*, const FieldDescriptor*, T) const) {
  return {.name = name, .put = [=](Message& message, const FieldDescriptor& field) {
            const Reflection* reflection = message.GetReflection();
            (reflection->*(field.is_repeated() ? add : set))(&message, &field, value);
          }};
}

template <typename T>
std::vector<Value> Numbers(void (Reflection::*set)(Message*, const FieldDescriptor*, T) const,
                           void (Reflection::*add)(Message*, const FieldDescriptor*, T) const) {
  using Limits = std::numeric_limits<T>;
  std::vector<T> numbers = {Limits::lowest(), static_cast<T>(0), static_cast<T>(1), Limits::max()};
  if constexpr (Limits::is_signed) numbers.push_back(static_cast<T>(-1));
  if constexpr (!Limits::is_integer) {
    for (const T number : {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity(),
                           Limits::denorm_min(), -Limits::min()}) {
      numbers.push_back(number);
    }
  }
  std::vector<Value> values;
  for (const T number : numbers) {
    values.push_back(Scalar<T>(absl::StrCat(number), number, set, add));
  }
  return values;
}

std::vector<Value> Texts(bool is_text) {
  const auto text = [](const std::string& name, const std::string& value, bool valid) {
    return Value{.name = name,
                 .put =
                     [value](Message& message, const FieldDescriptor& field) {
                       const Reflection* reflection = message.GetReflection();
                       if (field.is_repeated()) {
                         reflection->AddString(&message, &field, value);
                       } else {
                         reflection->SetString(&message, &field, value);
                       }
                     },
                 .valid = valid};
  };
  return {text("nothing", "", true),
          text("a zero byte", std::string(1, '\0'), true),
          text("directives", "%s%n%n{{ 7 * 7 }}{% for %}\r\n\x1b[2J", true),
          text("256 KiB", std::string(kLongText, 'x'), true),
          text("right to left and beyond the plane", "\u202e\U0010ffff\U000e0001", true),
          text("no UTF-8", "\xC3\x28\xFF\xFE", !is_text),
          text("half a character", "a\xF0\x9F\x98", !is_text)};
}

std::vector<Value> ValuesOf(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return Numbers<std::int32_t>(&Reflection::SetInt32, &Reflection::AddInt32);
    case FieldDescriptor::CPPTYPE_INT64:
      return Numbers<std::int64_t>(&Reflection::SetInt64, &Reflection::AddInt64);
    case FieldDescriptor::CPPTYPE_UINT32:
      return Numbers<std::uint32_t>(&Reflection::SetUInt32, &Reflection::AddUInt32);
    case FieldDescriptor::CPPTYPE_UINT64:
      return Numbers<std::uint64_t>(&Reflection::SetUInt64, &Reflection::AddUInt64);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return Numbers<float>(&Reflection::SetFloat, &Reflection::AddFloat);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return Numbers<double>(&Reflection::SetDouble, &Reflection::AddDouble);
    case FieldDescriptor::CPPTYPE_BOOL:
      return {Scalar<bool>("true", true, &Reflection::SetBool, &Reflection::AddBool),
              Scalar<bool>("false", false, &Reflection::SetBool, &Reflection::AddBool)};
    case FieldDescriptor::CPPTYPE_ENUM:
      return Numbers<int>(&Reflection::SetEnumValue, &Reflection::AddEnumValue);
    case FieldDescriptor::CPPTYPE_STRING:
      return Texts(field.type() == FieldDescriptor::TYPE_STRING);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  return {};
}

class Collector {
 public:
  explicit Collector(const Message& base) : root_(base.New()) { root_->CopyFrom(base); }

  void WalkAll() { Walk(*root_, "", 0); }
  [[nodiscard]] std::vector<ExtremeMessage> Take() && { return std::move(found_); }

 private:
  // `message` is `root_` or in it; `path` ends with a dot unless it is empty.
  void Walk(Message& message, const std::string& path, int depth) {
    const auto* descriptor = message.GetDescriptor();
    for (int i = 0; i < descriptor->field_count(); ++i) {
      const FieldDescriptor& field = *descriptor->field(i);
      const std::string name = absl::StrCat(path, field.name());
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        WalkInto(message, field, name, depth);
      } else {
        Scalars(message, field, name);
      }
    }
  }

  // Runs `change`, keeps the result, and puts back what was there.
  void Keep(Message& message, const std::string& what, bool valid,
            const std::function<void()>& change) {
    const std::unique_ptr<Message> before(message.New());
    before->CopyFrom(message);
    change();
    found_.push_back({.what = what, .bytes = root_->SerializePartialAsString(), .valid = valid});
    message.CopyFrom(*before);
  }

  void Scalars(Message& message, const FieldDescriptor& field, const std::string& name) {
    const Reflection* reflection = message.GetReflection();
    for (const Value& value : ValuesOf(field)) {
      Keep(message, absl::StrCat(name, " = ", value.name), value.valid,
           [&] { value.put(message, field); });
    }
    if (!field.is_repeated()) return;
    Keep(message, absl::StrCat("no ", name), true,
         [&] { reflection->ClearField(&message, &field); });
    const std::vector<Value> values = ValuesOf(field);
    Keep(message, absl::StrCat("very many ", name), true, [&] {
      for (int i = 0; i < kLongList; ++i) values[1].put(message, field);
    });
  }

  void WalkInto(Message& message, const FieldDescriptor& field, const std::string& name,
                int depth) {
    const Reflection* reflection = message.GetReflection();
    Keep(message, absl::StrCat("no ", name), true,
         [&] { reflection->ClearField(&message, &field); });
    if (depth == kDeepest) return;
    const std::unique_ptr<Message> before(message.New());
    before->CopyFrom(message);
    if (field.is_repeated()) {
      Keep(message, absl::StrCat("very many ", name), true, [&] {
        for (int i = 0; i < kLongList; ++i) reflection->AddMessage(&message, &field);
      });
      Walk(*reflection->AddMessage(&message, &field), absl::StrCat(name, "[]."), depth + 1);
    } else {
      Walk(*reflection->MutableMessage(&message, &field), absl::StrCat(name, "."), depth + 1);
    }
    message.CopyFrom(*before);
  }

  const std::unique_ptr<Message> root_;
  std::vector<ExtremeMessage> found_;
};

}  // namespace

std::vector<ExtremeMessage> ExtremesOf(const Message& base) {
  Collector collector(base);
  collector.WalkAll();
  return std::move(collector).Take();
}

}  // namespace sextant
