#include "router/program/live_settings.h"

#include <optional>
#include <utility>
#include <vector>

#include "common/config/yaml_reader.h"
#include "router/program/setting_changes.h"

namespace sextant::router {

PlacementSettings PlacementOf(const RouterConfig& config) {
  return {.auto_rebalance = config.rebalance,
          .spare_slots = static_cast<int>(config.spare_experts),
          .replicas = static_cast<int>(config.replicated_experts)};
}

LiveSettings::LiveSettings(Options options, Config in_force, Metrics& metrics, const Logger& log)
    : options_(std::move(options)),
      log_(log),
      valid_(metrics.AddGauge(kRouterConfigValid)),
      waiting_(metrics.AddGauge(kRouterSettingsWaiting)),
      in_force_(std::move(in_force)),
      file_(options_.path, options_.text, kMaxYamlBytes) {
  valid_.Set(1);
}

void LiveSettings::Poll() {
  const std::optional<absl::StatusOr<std::string>> change = file_.Poll();
  if (!change.has_value()) return;
  const absl::StatusOr<Config> config = change->ok() ? options_.read(**change) : change->status();
  valid_.Set(config.ok() ? 1 : 0);
  if (config.ok()) return Take(*config);
  log_.Error("the configuration file is not taken; all settings stay as they are",
             {{"error", config.status().message()}});
}

void LiveSettings::Take(const Config& config) {
  const std::vector<SettingChange> changes = ChangesOf(in_force_, config);
  int waiting = 0;
  for (const SettingChange& change : changes) {
    if (change.is_live) {
      log_.Info("a setting has changed",
                {{"key", change.key}, {"before", change.before}, {"now", change.now}});
    } else {
      ++waiting;
      log_.Error("this setting cannot change while the router runs; restart the router for it",
                 {{"key", change.key}, {"in_force", change.before}, {"in_file", change.now}});
    }
  }
  waiting_.Set(waiting);
  if (changes.empty())
    log_.Info("the configuration file has changed, and no setting of the router");
  const PlacementSettings placement = PlacementOf(config.router);
  if (placement == PlacementOf(in_force_.router)) return;
  in_force_.router.rebalance = config.router.rebalance;
  in_force_.router.spare_experts = config.router.spare_experts;
  in_force_.router.replicated_experts = config.router.replicated_experts;
  options_.apply(placement);
}

}  // namespace sextant::router
