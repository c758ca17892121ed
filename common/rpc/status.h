// absl::Status and grpc::Status: the one place where gRPC codes are made.
//
// The details of common/errors travel in the trailer "grpc-status-details-bin", as every gRPC
// library expects them.
#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace sextant {

// A message of more than 1 KiB is cut and says so; details beyond 2 KiB in all are left out.
[[nodiscard]] grpc::Status ToGrpc(const absl::Status& status);

// A code that gRPC does not define becomes Unknown.
[[nodiscard]] absl::Status FromGrpc(const grpc::Status& status);

}  // namespace sextant
