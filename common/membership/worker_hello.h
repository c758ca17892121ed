// What a worker of any role says about itself when it joins.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "proto/sextant/v1/placement.pb.h"

namespace sextant {

// Where a server with these targets (RpcServer::targets) is reached: the first of each kind.
[[nodiscard]] v1::Endpoint EndpointOf(absl::Span<const std::string> targets);

// Every numeric profile from the best that may be chosen here downwards; the reference only where
// it was asked for. Errors: those of ChooseBackend.
[[nodiscard]] absl::StatusOr<std::vector<std::string>> OfferedProfiles();

}  // namespace sextant
