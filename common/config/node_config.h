// What an operator may set about the workers of one host of a larger cluster, which `sextant node`
// runs: the section `node` of the configuration (config.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/config/yaml_reader.h"

namespace sextant {

inline constexpr IntRange kNodeWorkersRange = {.min = 0, .max = 64};
// Ports are given out from the first one upward: to attention workers, behind all that there may
// be, to expert workers, and behind those to whole and to colocated workers.
inline constexpr std::int64_t kNodePorts = 4 * kNodeWorkersRange.max;
inline constexpr IntRange kNodeWorkerPortRange = {.min = 0, .max = 65536 - kNodePorts};
inline constexpr IntRange kNodeWorkerAdminPortRange = {.min = -1, .max = 65536 - kNodePorts};

struct NodeConfig {
  std::string router = "127.0.0.1:7070";  // gRPC target
  std::string model;                      // folder
  // The four that are taken from the file while it runs; where it sets one of the first two, the
  // last two are 0 unless it sets them too.
  std::int64_t whole_workers = 0;
  std::int64_t colocated_workers = 0;
  std::int64_t attention_workers = 1;
  std::int64_t expert_workers = 2;
  std::vector<std::string> listen = {"127.0.0.1:7080"};  // of its health service
  std::int64_t worker_port = 0;                          // 0: any free ones
  std::int64_t admin_port = 0;                           // of its own metrics page
  std::int64_t worker_admin_port = 0;                    // 0: any free ones, -1: no pages

  friend bool operator==(const NodeConfig&, const NodeConfig&) = default;
};

// Declares the section's keys on the root of a file.
void ReadNodeSection(YamlReader& root, NodeConfig* config);

}  // namespace sextant
