// grpc.health.v1 as a kubelet asks it.
#pragma once

#include <string>

namespace sextant {

// Whether `service` of the server at `target` is SERVING; an error is false.
[[nodiscard]] bool IsServing(const std::string& target, const std::string& service);

}  // namespace sextant
