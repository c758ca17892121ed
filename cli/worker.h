// `sextant worker`: one process that computes a whole model for a cluster.
#pragma once

#include "common/program/program.h"

namespace sextant::cli {

// The same as a program of `sextant up --in-process`: "worker" comes first among the flags.
Program WholeWorkerProgram;

}  // namespace sextant::cli
