// What `sextant top` shows of one status of the cluster.
#pragma once

#include <string>
#include <vector>

#include "proto/sextant/v1/admin.pb.h"

namespace sextant::cli {

struct TopSize {
  int columns = 100;
  int rows = 40;
};

// The lines of a screen, none wider than it and no more than fit, without line breaks: the cluster,
// its attention workers with their caches, a heat-map of experts by worker, the newest events.
[[nodiscard]] std::vector<std::string> TopScreen(const v1::ClusterStatus& status, TopSize size);

// One line for those who read no screens: "epoch=3 phase=steady tokens/s=41.2 running=3 ...".
[[nodiscard]] std::string TopLine(const v1::ClusterStatus& status);

// One character for each expert, or for neighbours where there are more than `width`: a blank where
// the worker holds none of them, then from '.' to '@' by their load beside the hottest expert's.
[[nodiscard]] std::string HeatRow(const v1::WorkerStatus& worker, const v1::ClusterStatus& status,
                                  int width);

}  // namespace sextant::cli
