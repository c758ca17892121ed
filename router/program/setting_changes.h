// How two configurations differ for a router: setting by setting.
#pragma once

#include <string>
#include <vector>

#include "common/config/config.h"

namespace sextant::router {

struct SettingChange {
  std::string key;  // as in the file: "router.queue"
  std::string before;
  std::string now;
  bool is_live = false;  // it can be taken up while the router runs

  friend bool operator==(const SettingChange&, const SettingChange&) = default;
};

// Of the sections that a router reads, `router` and what `cluster` has for every program; in the
// order of the file. What else differs is not its own.
[[nodiscard]] std::vector<SettingChange> ChangesOf(const Config& before, const Config& now);

}  // namespace sextant::router
