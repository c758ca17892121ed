// NCCL, out of the module `sextant_nccl.so`, which is loaded when several GPUs are wanted: one GPU
// needs no NCCL.
//
// The module lies beside the program (build/bin), or where the environment variable
// SEXTANT_NCCL_MODULE says. One of another build is refused. It needs libnccl.so.2, of 2.27 or
// later, where the dynamic linker finds it.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "common/exchange/ranks/rank_network.h"

namespace sextant {

// Errors:    NotFound where this build has no module; FailedPrecondition saying why NCCL cannot be
//            used, to a person at a terminal: a missing library, a module of another build.
// Threads:   any.
[[nodiscard]] absl::StatusOr<std::unique_ptr<RankNetwork>> OpenNccl();

}  // namespace sextant
