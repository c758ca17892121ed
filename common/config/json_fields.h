// Reads the members of one JSON object into typed variables, one call per key.
//
//   JsonFields fields(object, path);
//   fields.Int("hidden_size", &config.hidden_size, {.min = 1, .max = 1 << 20});
//   fields.Bool("norm_topk_prob", &config.norm_topk_prob, Presence::kOptional);
//   RETURN_IF_ERROR(fields.status());
//
// An optional key that is absent or null leaves its variable alone. The first error is kept and
// later calls do nothing, so that a reader is a list of lines without branches. Keys nobody asks
// for are ignored: files of the Hugging Face layout carry many.
//
// Ownership: borrows `object`.
// Errors:    InvalidArgument naming source, key, the value found and what is accepted.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace sextant {

enum class Presence { kRequired, kOptional };

struct IntRange {
  std::int64_t min = 0;
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
};

struct DoubleRange {
  double min = 0;
  double max = std::numeric_limits<double>::max();
};

class JsonFields {
 public:
  // `prefix` is written before keys in errors: "rope_scaling." for a nested object.
  JsonFields(const nlohmann::json& object, std::string source, std::string prefix = "");

  void Int(const char* key, std::int64_t* value, IntRange range,
           Presence presence = Presence::kRequired);
  // Null and absent both leave nullopt.
  void OptionalInt(const char* key, std::optional<std::int64_t>* value, IntRange range);
  void Double(const char* key, double* value, DoubleRange range,
              Presence presence = Presence::kRequired);
  void Bool(const char* key, bool* value, Presence presence = Presence::kRequired);
  void String(const char* key, std::string* value, Presence presence = Presence::kRequired);
  // One integer or a list of them; null and absent leave the list empty.
  void IntOrList(const char* key, std::vector<std::int64_t>* values, IntRange range);

  // The member, or null when absent; never an error.
  [[nodiscard]] const nlohmann::json* Find(const char* key) const;
  [[nodiscard]] bool Has(const char* key) const { return Find(key) != nullptr; }  // even if null

  // Records "source: key: message" unless an earlier error stands.
  void Fail(absl::string_view key, absl::string_view message);
  [[nodiscard]] const absl::Status& status() const { return status_; }

 private:
  // The member to read, or null when there is nothing to do.
  const nlohmann::json* Take(const char* key, Presence presence);
  bool ReadInt(const char* key, const nlohmann::json& member, IntRange range, std::int64_t* value);

  const nlohmann::json& object_;
  const std::string source_;
  const std::string prefix_;
  absl::Status status_;
};

}  // namespace sextant
