// router: what clients, operators and workers speak with. Admits, tokenizes and schedules requests,
// and holds the cluster's membership and placement.
//
// The configuration file is followed while it runs (live_settings.h).
//
// Shutdown, at the first signal: nobody listens any more, and clients are sent to whoever does (a
// router that takes this one's place); running requests get the configured time to end; then the
// server ends (which cancels what is left), the front, and the coordinator, whose workers look for
// the next router and keep what they hold.
#pragma once

#include "common/program/program.h"

namespace sextant {

Program RouterProgram;

}  // namespace sextant
