// Streams that run while something is done to their cluster.
#pragma once

#include <functional>
#include <string>

namespace sextant {

// Eight streams at a time at the cluster at `target`, one set after the other, from before `change`
// until after it: each gets what one process with the same `model` gives it, or the test fails.
void WhileStreamsRun(const std::string& target, const std::string& model,
                     const std::function<void()>& change);

}  // namespace sextant
