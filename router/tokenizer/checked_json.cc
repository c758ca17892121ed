#include "router/tokenizer/checked_json.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace sextant {
namespace {

std::string Describe(const nlohmann::json& value) {
  if (value.is_number() || value.is_boolean()) return value.dump();
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (text.size() <= 40) return absl::StrCat("\"", text, "\"");
  }
  return value.type_name();
}

}  // namespace

absl::Status JsonAt::Error(absl::string_view what) const {
  return absl::InvalidArgumentError(absl::StrCat(path_.empty() ? "the file" : path_, ": ", what));
}

absl::StatusOr<bool> JsonAt::Bool() const {
  if (!value_->is_boolean()) {
    return Error(absl::StrCat("true or false is wanted, not ", Describe(*value_)));
  }
  return value_->get<bool>();
}

absl::StatusOr<std::int64_t> JsonAt::Integer(std::int64_t least, std::int64_t most) const {
  // An unsigned value past the signed range would wrap; it is past every `most` anyway.
  const bool huge = value_->is_number_unsigned() &&
                    value_->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX);
  if (!value_->is_number_integer() || huge || value_->get<std::int64_t>() < least ||
      value_->get<std::int64_t>() > most) {
    return Error(absl::StrCat("a whole number from ", least, " to ", most, " is wanted, not ",
                              Describe(*value_)));
  }
  return value_->get<std::int64_t>();
}

absl::StatusOr<std::string> JsonAt::String() const {
  if (!value_->is_string()) {
    return Error(absl::StrCat("a string is wanted, not ", Describe(*value_)));
  }
  return value_->get<std::string>();
}

absl::Status JsonAt::IsObject() const {
  if (value_->is_object()) return absl::OkStatus();
  return Error(absl::StrCat("an object is wanted, not ", Describe(*value_)));
}

absl::Status JsonAt::IsArray() const {
  if (value_->is_array()) return absl::OkStatus();
  return Error(absl::StrCat("an array is wanted, not ", Describe(*value_)));
}

absl::StatusOr<std::optional<JsonAt>> JsonAt::Find(const char* key) const {
  RETURN_IF_ERROR(IsObject());
  const auto found = value_->find(key);
  if (found == value_->end() || found->is_null()) return std::optional<JsonAt>();
  return std::optional<JsonAt>(JsonAt(*found, path_.empty() ? key : absl::StrCat(path_, ".", key)));
}

absl::StatusOr<JsonAt> JsonAt::Member(const char* key) const {
  ASSIGN_OR_RETURN(const std::optional<JsonAt> found, Find(key));
  if (!found) return Error(absl::StrCat("\"", key, "\" is missing"));
  return *found;
}

absl::StatusOr<std::string> JsonAt::StringMember(const char* key) const {
  ASSIGN_OR_RETURN(const JsonAt member, Member(key));
  return member.String();
}

absl::StatusOr<bool> JsonAt::BoolMember(const char* key, bool otherwise) const {
  ASSIGN_OR_RETURN(const std::optional<JsonAt> found, Find(key));
  if (!found) return otherwise;
  return found->Bool();
}

JsonAt JsonAt::operator[](std::size_t i) const {
  return JsonAt((*value_)[i], absl::StrCat(path_, "[", i, "]"));
}

absl::Status JsonAt::OnlyMembers(std::initializer_list<std::string_view> known) const {
  RETURN_IF_ERROR(IsObject());
  for (const auto& member : value_->items()) {
    if (std::find(known.begin(), known.end(), member.key()) == known.end()) {
      return Error(absl::StrCat("\"", member.key(), "\" is not supported"));
    }
  }
  return absl::OkStatus();
}

}  // namespace sextant
