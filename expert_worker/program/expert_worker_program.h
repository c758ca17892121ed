// expert_worker: holds a share of the routed experts and computes what attention workers send.
#pragma once

#include "common/program/program.h"

namespace sextant {

Program ExpertWorkerProgram;

}  // namespace sextant
