#include "common/config/json_fields.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace sextant {
namespace {

using nlohmann::json;

// The value as the file spells it, cut where it would flood the message.
std::string Shown(const json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  const std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() <= 60 ? text : absl::StrCat(text.substr(0, 57), "...");
}

}  // namespace

JsonFields::JsonFields(const json& object, std::string source, std::string prefix)
    : object_(object), source_(std::move(source)), prefix_(std::move(prefix)) {
  if (!object_.is_object()) {
    const std::string where =
        prefix_.empty() ? "" : absl::StrCat(prefix_.substr(0, prefix_.size() - 1), " ");
    status_ = absl::InvalidArgumentError(
        absl::StrCat(source_, ": ", where, "must be a JSON object, is ", Shown(object_)));
  }
}

void JsonFields::Fail(absl::string_view key, absl::string_view message) {
  if (!status_.ok()) return;
  status_ = absl::InvalidArgumentError(absl::StrCat(source_, ": ", prefix_, key, " ", message));
}

const json* JsonFields::Find(const char* key) const {
  if (!object_.is_object()) return nullptr;
  const auto found = object_.find(key);
  return found == object_.end() ? nullptr : &*found;
}

const json* JsonFields::Take(const char* key, Presence presence) {
  if (!status_.ok()) return nullptr;
  const json* member = Find(key);
  const bool given = member != nullptr && !member->is_null();
  if (given) return member;
  if (presence == Presence::kRequired) {
    Fail(key, member == nullptr ? "is missing" : "is null, a value is needed");
  }
  return nullptr;
}

bool JsonFields::ReadInt(const char* key, const json& member, IntRange range, std::int64_t* value) {
  const bool huge = member.is_number_unsigned() &&
                    member.get<std::uint64_t>() >
                        static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!member.is_number_integer() || huge || member.get<std::int64_t>() < range.min ||
      member.get<std::int64_t>() > range.max) {
    Fail(key, absl::StrCat("must be an integer from ", range.min, " to ", range.max, ", is ",
                           Shown(member)));
    return false;
  }
  *value = member.get<std::int64_t>();
  return true;
}

void JsonFields::Int(const char* key, std::int64_t* value, IntRange range, Presence presence) {
  if (const json* member = Take(key, presence)) ReadInt(key, *member, range, value);
}

void JsonFields::OptionalInt(const char* key, std::optional<std::int64_t>* value, IntRange range) {
  std::int64_t read = 0;
  const json* member = Take(key, Presence::kOptional);
  if (member != nullptr && ReadInt(key, *member, range, &read)) *value = read;
}

void JsonFields::Double(const char* key, double* value, DoubleRange range, Presence presence) {
  const json* member = Take(key, presence);
  if (member == nullptr) return;
  const double read = member->is_number() ? member->get<double>() : std::nan("");
  if (!(read >= range.min && read <= range.max)) {
    Fail(key, absl::StrCat("must be a number from ", range.min, " to ", range.max, ", is ",
                           Shown(*member)));
    return;
  }
  *value = read;
}

void JsonFields::Bool(const char* key, bool* value, Presence presence) {
  const json* member = Take(key, presence);
  if (member == nullptr) return;
  if (!member->is_boolean()) {
    Fail(key, absl::StrCat("must be true or false, is ", Shown(*member)));
    return;
  }
  *value = member->get<bool>();
}

void JsonFields::String(const char* key, std::string* value, Presence presence) {
  const json* member = Take(key, presence);
  if (member == nullptr) return;
  if (!member->is_string()) {
    Fail(key, absl::StrCat("must be a string, is ", Shown(*member)));
    return;
  }
  *value = member->get<std::string>();
}

void JsonFields::IntOrList(const char* key, std::vector<std::int64_t>* values, IntRange range) {
  const json* member = Take(key, Presence::kOptional);
  if (member == nullptr) return;
  std::vector<std::int64_t> read;
  const auto add = [&](const json& element) {
    std::int64_t value = 0;
    if (!ReadInt(key, element, range, &value)) return false;
    read.push_back(value);
    return true;
  };
  if (!member->is_array()) {
    if (!add(*member)) return;
  } else {
    for (const json& element : *member) {
      if (!add(element)) return;
    }
  }
  *values = std::move(read);
}

}  // namespace sextant
