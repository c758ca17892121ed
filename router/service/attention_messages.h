// The messages of the Attention service and what the router's domain says for them.
#pragma once

#include <cstdint>
#include <vector>

#include "proto/sextant/v1/attention.pb.h"
#include "router/scheduling/attention_peer.h"

namespace sextant::router {

[[nodiscard]] v1::AttentionCommand ConfigureCommand(const std::vector<std::int32_t>& banned_ids);
[[nodiscard]] v1::AttentionCommand StartCommand(const SequenceStart& start);
[[nodiscard]] v1::AttentionCommand CancelCommand(SequenceNumber sequence);

// An event that says nothing is left out; a failure without a code is Internal.
[[nodiscard]] PeerEvents ReadEvents(const v1::AttentionEvents& message);

}  // namespace sextant::router
