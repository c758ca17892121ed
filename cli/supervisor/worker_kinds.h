// The kinds of children that are workers, in the order in which they are started, and their roles.
// Ranks are none of them yet: they are started by hand.
#pragma once

#include <array>

#include "cli/supervisor/child.h"
#include "proto/sextant/v1/placement.pb.h"

namespace sextant::cli {

struct WorkerKind {
  ChildKind kind;
  v1::Role role;
};

inline constexpr std::array<WorkerKind, 4> kWorkerKinds = {
    {{ChildKind::kWholeWorker, v1::ROLE_WHOLE},
     {ChildKind::kColocatedWorker, v1::ROLE_COLOCATED},
     {ChildKind::kAttentionWorker, v1::ROLE_ATTENTION},
     {ChildKind::kExpertWorker, v1::ROLE_EXPERT}}};

}  // namespace sextant::cli
