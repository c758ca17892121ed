// A gRPC server as every process of the cluster runs it: message limits, keepalive, health and
// reflection. Services are registered by their owners and outlive the server.
//
// Threads:   gRPC's own call the services; Start, StopListening and Shutdown belong to one thread.
#pragma once

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sextant {

class RpcServer {
 public:
  struct Options {
    // gRPC targets: "127.0.0.1:7000", "[::]:0" (any free port), "unix:/run/sextant/expert-0.sock".
    // A stale unix socket that nobody listens on is replaced.
    std::vector<std::string> listen;
    std::vector<grpc::Service*> services;
    // A longer message is refused with RESOURCE_EXHAUSTED before it is read.
    int max_message_bytes = 4 << 20;
  };

  // Errors: InvalidArgument for no target, Unavailable naming the target that cannot be bound.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<RpcServer>> Start(const Options& options);
  ~RpcServer();
  RpcServer(const RpcServer&) = delete;
  RpcServer& operator=(const RpcServer&) = delete;

  // The targets to dial, in the order of Options::listen, with the ports that were chosen.
  [[nodiscard]] const std::vector<std::string>& targets() const { return targets_; }

  // grpc.health.v1: `service` is a full name such as "sextant.v1.Inference"; all of them, and "",
  // start as not serving.
  void SetServing(const std::string& service, bool serving);

  // Clients make other connections for new calls from now on, to whoever listens there (GOAWAY);
  // running calls go on. A call that is under way to here at that moment ends with CANCELLED.
  void StopListening();

  // The same; lets running calls end until `grace` is over, then cancels them.
  void Shutdown(absl::Duration grace);

 private:
  RpcServer() = default;

  std::unique_ptr<grpc::Server> server_;
  std::future<void> stopped_;  // ready when no call is left; invalid while it listens
  std::vector<std::string> targets_;
};

}  // namespace sextant
