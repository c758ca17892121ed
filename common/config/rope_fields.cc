#include "common/config/rope_fields.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/config/json_fields.h"
#include "nlohmann/json.hpp"

namespace sextant {
namespace {

using nlohmann::json;

constexpr DoubleRange kTheta = {.min = 1.5, .max = 1e12};

// "yarn", "default", or what else the object names under `type` or `rope_type`.
std::string RopeType(JsonFields& fields) {
  std::string type;
  std::string rope_type;
  fields.String("type", &type, Presence::kOptional);
  fields.String("rope_type", &rope_type, Presence::kOptional);
  if (type.empty()) return rope_type;
  if (!rope_type.empty() && rope_type != type) {
    fields.Fail("type", absl::StrCat("\"", type, "\" disagrees with rope_type \"", rope_type,
                                     "\"; remove one"));
  }
  return type;
}

YarnScaling ReadYarn(JsonFields& fields) {
  YarnScaling yarn;
  fields.Double("factor", &yarn.factor, {.min = 1.0, .max = 1e6});
  fields.Double("beta_fast", &yarn.beta_fast, {.min = 1e-3, .max = 1e6}, Presence::kOptional);
  fields.Double("beta_slow", &yarn.beta_slow, {.min = 1e-3, .max = 1e6}, Presence::kOptional);
  fields.Double("mscale", &yarn.mscale, {.min = 0.0, .max = 1e3}, Presence::kOptional);
  fields.Double("mscale_all_dim", &yarn.mscale_all_dim, {.min = 0.0, .max = 1e3},
                Presence::kOptional);
  fields.Int("original_max_position_embeddings", &yarn.original_max_position_embeddings,
             {.min = 1, .max = 1 << 30});
  const json* truncate = fields.Find("truncate");
  if (truncate != nullptr && !truncate->is_null() && *truncate != true) {
    fields.Fail("truncate", "is not supported unless it is true");
  }
  if (const json* factor = fields.Find("attention_factor");
      factor != nullptr && !factor->is_null()) {
    fields.Fail("attention_factor", "is not supported; use mscale and mscale_all_dim");
  }
  return yarn;
}

struct Rope {
  std::optional<YarnScaling> yarn;
  std::optional<double> theta;
};

absl::StatusOr<Rope> ReadObject(const json& object, const std::string& source, const char* key) {
  JsonFields fields(object, source, absl::StrCat(key, "."));
  Rope rope;
  const std::string type = RopeType(fields);
  if (type == "yarn") {
    rope.yarn = ReadYarn(fields);
  } else if (type != "default") {
    fields.Fail("type", type.empty() ? std::string("is missing")
                                     : absl::StrCat("\"", type,
                                                    "\" is not supported; \"yarn\" and "
                                                    "\"default\" are"));
  }
  double theta = 0;
  fields.Double("rope_theta", &theta, kTheta, Presence::kOptional);
  if (theta != 0) rope.theta = theta;
  RETURN_IF_ERROR(fields.status());
  return rope;
}

bool Given(const json& document, const char* key) {
  return document.contains(key) && !document[key].is_null();
}

absl::Status Disagree(const std::string& source, absl::string_view first,
                      absl::string_view second) {
  return absl::InvalidArgumentError(
      absl::StrCat(source, ": ", first, " disagrees with ", second, "; remove one"));
}

}  // namespace

absl::Status ReadRope(const json& document, const std::string& source, ModelConfig& config) {
  const bool scaling = Given(document, "rope_scaling");
  const bool parameters = Given(document, "rope_parameters");
  if (scaling && parameters && document["rope_scaling"] != document["rope_parameters"]) {
    return Disagree(source, "rope_scaling", "rope_parameters");
  }
  Rope rope;
  if (scaling || parameters) {
    const char* key = parameters ? "rope_parameters" : "rope_scaling";
    ASSIGN_OR_RETURN(rope, ReadObject(document[key], source, key));
  }
  JsonFields fields(document, source);
  double theta = rope.theta.value_or(0);
  fields.Double("rope_theta", &theta, kTheta,
                rope.theta ? Presence::kOptional : Presence::kRequired);
  RETURN_IF_ERROR(fields.status());
  if (rope.theta && theta != *rope.theta) {
    return Disagree(source, "rope_theta", "the rope_theta inside rope_parameters");
  }
  config.rope_theta = theta;
  config.rope_scaling = rope.yarn;
  return absl::OkStatus();
}

}  // namespace sextant
