#include "common/rpc/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/rpc/keepalive.h"

namespace sextant {

std::shared_ptr<grpc::Channel> OpenChannel(const std::string& target) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  // In spite of its name the time that one attempt to connect may take.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
}

std::string HostId() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  // Containers of one machine have its kernel in common, and not the folders that sockets lie in.
  std::error_code error;
  const std::filesystem::path files =
      std::filesystem::read_symlink("/proc/self/ns/mnt", error);  // "mnt:[4026531841]"
  return id.empty() || error ? id : absl::StrCat(id, "/", files.string());
}

std::string TargetOf(const v1::Endpoint& peer, const std::string& own_host_id) {
  const bool same_host = !peer.host_id().empty() && peer.host_id() == own_host_id;
  return same_host && !peer.unix_target().empty() ? peer.unix_target() : peer.tcp_target();
}

}  // namespace sextant
