// What `sextant plan` prints.
#pragma once

#include <string>

#include "cli/plan/plan.h"

namespace sextant::cli {

// Two lines about model and cluster, a table of what lies where (GPUs with the same in one line)
// and a table of the steps. Ends with a line break.
[[nodiscard]] std::string PlanAsText(const PlanRequest& request, const Plan& plan);

// One object, every member always there: sizes in bytes, times in seconds, rates in units per
// second, shares in [0, 1]. Ends with a line break.
[[nodiscard]] std::string PlanAsJson(const PlanRequest& request, const Plan& plan);

}  // namespace sextant::cli
