// How a coordinator runs its cluster.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "common/base/version.h"
#include "proto/sextant/v1/cluster.pb.h"
#include "router/coordinator/placement_settings.h"

namespace sextant {

struct CoordinatorConfig {
  std::string version = Version();
  v1::ModelIdentity model = {};      // open parts: those of the first worker
  std::string numeric_profile = {};  // empty: the best that the first worker has

  absl::Duration heartbeat_interval = absl::Milliseconds(200);
  absl::Duration death_after = absl::Milliseconds(900);  // of silence

  // Workers that join within so short a time take part in one epoch: nobody has joined for
  // `settle`, and nobody still builds its engine, unless that takes longer than `settle_limit`.
  absl::Duration settle = absl::Milliseconds(300);
  absl::Duration settle_limit = absl::Seconds(5);

  // The first epoch waits until so many workers that may hold experts are there, but no longer than
  // that.
  int expected_expert_workers = 0;
  absl::Duration expected_limit = absl::Seconds(30);

  // After a restart of the router: the first epoch waits for the holders that the others know of.
  absl::Duration return_limit = absl::Milliseconds(1500);

  // A worker that takes longer is ended, and may join anew.
  absl::Duration hello_limit = absl::Seconds(5);
  absl::Duration prepare_limit = absl::Seconds(60);
  absl::Duration ranks_prepare_limit = absl::Minutes(10);  // GPUs load gigabytes, maybe from disks
  absl::Duration commit_limit = absl::Seconds(30);
  // Ranks: an answer takes no work, and until it is there nobody computes.
  absl::Duration halt_limit = absl::Seconds(3);

  // After a worker failed to prepare: the first pause, doubled with every further failure. A worker
  // that fails so many times in a row is ended.
  absl::Duration retry_pause = absl::Milliseconds(200);
  int most_failures = 3;

  std::size_t most_streams = 1024;

  // Load that was observed so long ago counts half.
  absl::Duration load_half_life = absl::Seconds(30);

  // At the start; the only part that changes afterwards (Coordinator::SetPlacement).
  PlacementSettings placement = {};
  // With auto_rebalance experts move when the busiest worker has had `uneven_above` times the mean
  // load for `uneven_for`, at `least_rows` per second in all; no epoch was committed for
  // `rebalance_pause`; and at least half of what is above the mean would go.
  double uneven_above = 1.3;
  absl::Duration uneven_for = absl::Seconds(30);
  double least_rows = 100;
  absl::Duration rebalance_pause = absl::Seconds(120);

  // The weights of one routed expert, all layers together; for people, who ask what a change moves.
  std::int64_t expert_bytes = 0;
};

}  // namespace sextant
