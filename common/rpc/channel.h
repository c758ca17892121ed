// Connections to other processes of the cluster.
#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "proto/sextant/v1/placement.pb.h"

namespace sextant {

// A channel of its own connection (channels of equal targets share nothing), which reconnects
// within a second after a failure. No message limit: peers inside the cluster are trusted.
[[nodiscard]] std::shared_ptr<grpc::Channel> OpenChannel(const std::string& target);

// Equal for processes that can reach each other's unix sockets: the boot id and the mount
// namespace, which each container has for itself.
[[nodiscard]] std::string HostId();

// The unix socket where the peer is on this host and has one, else its TCP address.
[[nodiscard]] std::string TargetOf(const v1::Endpoint& peer, const std::string& own_host_id);

}  // namespace sextant
