// The naive feed-forward, row by row and in double. The oracle of the other backends.
#pragma once

#include "kernels/feed_forward/grouped_feed_forward.h"

namespace sextant {

// Needs arguments that GroupedFeedForward has checked.
void GroupedFeedForwardReference(const GroupedFeedForwardArgs& args);

}  // namespace sextant
