#include "tests/integration/cluster/health_check.h"

#include "absl/time/time.h"
#include "common/rpc/channel.h"
#include "tests/integration/cluster/raw_peer.h"

namespace sextant {

bool IsServing(const std::string& target, const std::string& service) {
  // HealthCheckRequest: field 1, the service; HealthCheckResponse: field 1, 1 for SERVING
  // (grpc/health/v1/health.proto).
  RawCall call(OpenChannel(target), "/grpc.health.v1.Health/Check", absl::Seconds(5));
  std::string response;
  return call.Write("\x0a" + std::string(1, static_cast<char>(service.size())) + service) &&
         call.WritesDone() && call.Read(response) && response == "\x08\x01";
}

}  // namespace sextant
