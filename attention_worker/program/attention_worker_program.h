// attention_worker: runs the MLA layers of the sequences that routers give it, and samples.
#pragma once

#include "common/program/program.h"

namespace sextant {

Program AttentionWorkerProgram;

}  // namespace sextant
