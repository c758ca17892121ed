// What the operating system says about this process, under the names that every Prometheus client
// library uses: process_resident_memory_bytes, process_cpu_seconds_total, process_open_fds,
// process_start_time_seconds.
#pragma once

#include <vector>

#include "prometheus/metric_family.h"

namespace sextant {

// Read anew from /proc at every call; a value that cannot be read is left out.
[[nodiscard]] std::vector<prometheus::MetricFamily> CollectProcessMetrics();

}  // namespace sextant
