#include "common/rpc/server.h"

#include <grpc/grpc.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/rpc/keepalive.h"
#include "common/rpc/unix_socket.h"

namespace sextant {
namespace {

// The target to dial: the host as it was given, with the port that was bound.
std::string DialTarget(const std::string& listen, int port) {
  if (absl::StartsWith(listen, "unix:")) return listen;
  return absl::StrCat(listen.substr(0, listen.rfind(':')), ":", port);
}

constexpr absl::Duration kCancelEvery = absl::Milliseconds(20);

void AddKeepalive(grpc::ServerBuilder& builder) {
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
}

}  // namespace

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(const Options& options) {
  if (options.listen.empty()) {
    return absl::InvalidArgumentError("a server needs at least one address to listen on");
  }
  static const bool plugins = [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    return true;
  }();
  static_cast<void>(plugins);

  grpc::ServerBuilder builder;
  AddKeepalive(builder);
  // Two servers on one port would share its connections, and a typing mistake would go unseen.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetMaxReceiveMessageSize(options.max_message_bytes);
  std::vector<int> ports(options.listen.size());
  for (std::size_t i = 0; i < options.listen.size(); ++i) {
    absl::Status removed = RemoveStaleUnixSocket(options.listen[i]);
    if (!removed.ok()) return removed;
    builder.AddListeningPort(options.listen[i], grpc::InsecureServerCredentials(), &ports[i]);
  }
  for (grpc::Service* service : options.services) builder.RegisterService(service);

  std::unique_ptr<RpcServer> server(new RpcServer());
  server->server_ = builder.BuildAndStart();
  for (std::size_t i = 0; i < ports.size(); ++i) {
    if (server->server_ == nullptr || ports[i] == 0) {
      return absl::UnavailableError(
          absl::StrCat("cannot listen on ", options.listen[i],
                       "; is another process there, or the address not this machine's?"));
    }
    server->targets_.push_back(DialTarget(options.listen[i], ports[i]));
  }
  server->server_->GetHealthCheckService()->SetServingStatus(false);
  return server;
}

RpcServer::~RpcServer() { Shutdown(absl::ZeroDuration()); }

void RpcServer::SetServing(const std::string& service, bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(service, serving);
}

void RpcServer::StopListening() {
  if (stopped_.valid()) return;
  stopped_ = std::async(std::launch::async, [this] { server_->Shutdown(); });
}

void RpcServer::Shutdown(absl::Duration grace) {
  if (server_ == nullptr) return;
  StopListening();
  // More than once, for the other thread may have got nowhere yet, and let in a call afterwards.
  while (stopped_.wait_for(absl::ToChronoNanoseconds(grace)) == std::future_status::timeout) {
    grpc_server_cancel_all_calls(server_->c_server());
    grace = kCancelEvery;
  }
  server_->Wait();
  server_ = nullptr;
}

}  // namespace sextant
