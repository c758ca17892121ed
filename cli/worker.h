// `sextant worker`: one process that computes a whole model for a cluster, or on one GPU of several
// its share of one.
#pragma once

#include "common/program/program.h"

namespace sextant::cli {

// The same as a program of `sextant up --in-process`: "worker" comes first among the flags.
Program WorkerProgram;

}  // namespace sextant::cli
