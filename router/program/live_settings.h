// The router's settings while it runs: its configuration file, followed.
//
//   LiveSettings settings({.path = path, .text = text, .read = read, .apply = apply}, config,
//                         metrics, log);
//   while (!stop.WaitFor(kFileEvery)) settings.Poll();
//
// What decides where experts are placed (`rebalance`, `spare_experts`, `replicated_experts`) is
// applied. Any other setting of the router that differs stays as it is: an error in the log names
// it and says that it takes a restart, and sextant_router_settings_waiting counts it. A file that
// is wrong or missing changes nothing, and an error names the file, the line and the key; meanwhile
// sextant_router_config_valid is 0. The log has what changed, from what to what.
//
// Threads: one.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/watched_file.h"
#include "common/config/config.h"
#include "common/observability/log.h"
#include "common/observability/metrics.h"
#include "router/coordinator/placement_settings.h"

namespace sextant::router {

inline constexpr absl::Duration kFileEvery = absl::Milliseconds(250);

[[nodiscard]] PlacementSettings PlacementOf(const RouterConfig& config);

class LiveSettings {
 public:
  struct Options {
    std::string path;
    std::string text;  // of the file, when it was read for the configuration in force
    // The whole configuration of what the file holds, or what is wrong with it.
    std::function<absl::StatusOr<Config>(absl::string_view text)> read;
    std::function<void(const PlacementSettings&)> apply;
  };

  // `metrics` and `log` outlive it.
  LiveSettings(Options options, Config in_force, Metrics& metrics, const Logger& log);

  // Looks at the file, a few times a second.
  void Poll();

 private:
  void Take(const Config& config);

  const Options options_;
  const Logger& log_;
  Gauge& valid_;
  Gauge& waiting_;  // settings, for a restart
  Config in_force_;
  WatchedFile file_;
};

}  // namespace sextant::router
