// JSON from files whose every member counts, read with errors that say where: a `JsonAt` is a value
// and the path to it ("model.merges[3]"). Every accessor checks the type and names path, what was
// wanted and what is there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sextant {

class JsonAt {
 public:
  JsonAt(const nlohmann::json& value, std::string path) : value_(&value), path_(std::move(path)) {}

  [[nodiscard]] const nlohmann::json& value() const { return *value_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] absl::Status Error(absl::string_view what) const;

  [[nodiscard]] bool IsNull() const { return value_->is_null(); }
  [[nodiscard]] absl::StatusOr<bool> Bool() const;
  [[nodiscard]] absl::StatusOr<std::int64_t> Integer(std::int64_t least, std::int64_t most) const;
  [[nodiscard]] absl::StatusOr<std::string> String() const;
  [[nodiscard]] absl::Status IsObject() const;
  [[nodiscard]] absl::Status IsArray() const;

  // The member `key`; empty when this is an object without it or with null there.
  [[nodiscard]] absl::StatusOr<std::optional<JsonAt>> Find(const char* key) const;
  [[nodiscard]] absl::StatusOr<JsonAt> Member(const char* key) const;
  [[nodiscard]] absl::StatusOr<std::string> StringMember(const char* key) const;
  // An absent or null member is `otherwise`.
  [[nodiscard]] absl::StatusOr<bool> BoolMember(const char* key, bool otherwise) const;
  // The elements of an array.
  [[nodiscard]] JsonAt operator[](std::size_t i) const;
  // Every member must be one of `known`.
  [[nodiscard]] absl::Status OnlyMembers(std::initializer_list<std::string_view> known) const;

 private:
  const nlohmann::json* value_;
  std::string path_;
};

}  // namespace sextant
