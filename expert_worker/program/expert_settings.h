// What a program that holds experts, on a CPU or on one GPU of several (cli/worker.cc), is set to.
#pragma once

#include "common/config/role_config.h"
#include "common/program/worker_program.h"

namespace sextant {

// The file's settings with the flags laid over them; without an address to listen on, a unix
// socket.
[[nodiscard]] ExpertWorkerConfig ExpertSettings(const WorkerFlags& flags, const Config& config);

}  // namespace sextant
