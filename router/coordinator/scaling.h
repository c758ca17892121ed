// What the coordinator keeps about wanted numbers of workers: what operators asked for, and the
// host that starts and stops processes.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "absl/time/time.h"
#include "proto/sextant/v1/hosts.pb.h"
#include "router/coordinator/coordinator_output.h"

namespace sextant {

inline constexpr int kMostWorkers = 64;  // of a role, that Scale takes

// "expert workers", or with 1 "expert worker".
[[nodiscard]] std::string RoleText(v1::Role role, int count);

// "32 experts (1.21 GB)", for people.
[[nodiscard]] std::string MovedText(std::int64_t experts, std::int64_t bytes);

// The newest Scale of one role.
struct ScaleGoal {
  std::uint64_t number = 0;
  int count = 0;
  bool done = false;
  absl::Time began;
  absl::Time ended;               // once done
  std::int64_t moved_before = 0;  // experts that had moved when it began
  std::int64_t moved = 0;         // since then, until done
};

// What evening out the observed load comes to.
struct RebalancePlan {
  int moved = 0;                // experts that get another holder
  double imbalance_before = 1;  // of a placement by the number of experts alone
  double imbalance_after = 1;   // by the same load
};

// The newest Rebalance.
struct RebalanceGoal {
  std::uint64_t number = 0;
  bool done = true;
  absl::Time began;
  absl::Time ended;  // once done
  RebalancePlan plan{};
  std::int64_t moved_before = 0;
  std::int64_t moved = 0;
};

struct ProcessHost {
  StreamId stream = 0;
  std::string name;
  std::string host_id;
  std::set<std::int64_t> pids;
  std::string problem;
  std::map<v1::Role, int> wanted;  // by the last orders, or as it said itself
  v1::HostOrders orders;           // the last that were sent
};

}  // namespace sextant
