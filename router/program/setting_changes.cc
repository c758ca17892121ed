#include "router/program/setting_changes.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace sextant::router {
namespace {

struct Setting {
  const char* key;
  bool is_live;
  std::string (*shown)(const Config&);
};

constexpr Setting kSettings[] = {
    {"router.listen", false,
     [](const Config& config) { return absl::StrJoin(config.router.listen, ","); }},
    {"router.queue", false, [](const Config& config) { return absl::StrCat(config.router.queue); }},
    {"router.wait_seconds", false,
     [](const Config& config) { return absl::StrCat(config.router.wait_seconds); }},
    {"router.served_model_name", false,
     [](const Config& config) { return config.router.served_model_name; }},
    {"router.admin_port", false,
     [](const Config& config) { return absl::StrCat(config.router.admin_port); }},
    {"router.rebalance", true,
     [](const Config& config) { return std::string(config.router.rebalance ? "true" : "false"); }},
    {"router.spare_experts", true,
     [](const Config& config) { return absl::StrCat(config.router.spare_experts); }},
    {"router.replicated_experts", true,
     [](const Config& config) { return absl::StrCat(config.router.replicated_experts); }},
    {"cluster.drain_seconds", false,
     [](const Config& config) { return absl::StrCat(config.cluster.drain_seconds); }},
    {"cluster.log_level", false,
     [](const Config& config) { return std::string(LogLevelWord(config.cluster.log_level)); }},
    {"cluster.admin_host", false, [](const Config& config) { return config.cluster.admin_host; }},
};

}  // namespace

std::vector<SettingChange> ChangesOf(const Config& before, const Config& now) {
  std::vector<SettingChange> changes;
  for (const Setting& setting : kSettings) {
    std::string was = setting.shown(before);
    std::string is = setting.shown(now);
    if (was == is) continue;
    changes.push_back({.key = setting.key,
                       .before = std::move(was),
                       .now = std::move(is),
                       .is_live = setting.is_live});
  }
  return changes;
}

}  // namespace sextant::router
