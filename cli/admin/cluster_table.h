// The cluster's status for a person, and for a program.
#pragma once

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "proto/sextant/v1/admin.pb.h"

namespace sextant::cli {

// Two lines about the cluster and a line for each worker in aligned columns, then, with
// `with_events`, what has happened, oldest first. Ends with a line break.
[[nodiscard]] std::string ClusterTable(const v1::ClusterStatus& status, bool with_events);

// One JSON object with the fields of admin.proto under their names there, every one of them always
// there. Ends with a line break.
[[nodiscard]] std::string ClusterJson(const v1::ClusterStatus& status);

// "0-15,20,22-23": ascending numbers, runs as ranges; "-" for none.
[[nodiscard]] std::string Ranges(absl::Span<const int> numbers);

}  // namespace sextant::cli
