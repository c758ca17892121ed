#include "common/membership/worker_hello.h"

#include "absl/strings/match.h"
#include "common/base/status.h"
#include "common/device/backend.h"
#include "common/rpc/channel.h"

namespace sextant {

v1::Endpoint EndpointOf(absl::Span<const std::string> targets) {
  v1::Endpoint endpoint;
  endpoint.set_host_id(HostId());
  for (const std::string& target : targets) {
    const bool is_unix = absl::StartsWith(target, "unix:");
    std::string& place = is_unix ? *endpoint.mutable_unix_target() : *endpoint.mutable_tcp_target();
    if (place.empty()) place = target;
  }
  return endpoint;
}

absl::StatusOr<std::vector<std::string>> OfferedProfiles() {
  ASSIGN_OR_RETURN(const Backend best, ChooseBackend());
  const std::vector<Backend> supported = SupportedBackends();
  std::vector<std::string> profiles;
  for (auto backend = supported.rbegin(); backend != supported.rend(); ++backend) {
    const bool is_profile = *backend != Backend::kReference || best == Backend::kReference;
    if (*backend <= best && is_profile) profiles.emplace_back(Name(*backend));
  }
  return profiles;
}

}  // namespace sextant
