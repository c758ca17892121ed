// An attention worker as the router's domain sees it: one stream that carries sequences there and
// tokens back.
//
// A peer lives as long as its stream. It reports to the AttentionPeers' owner by its number:
// first that it is served (events with a load alone), then events, and at its end once that it is
// lost; nothing after that, and nothing after its destructor.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "common/sampling_params/sampling_params.h"
#include "router/coordinator/attention_directory.h"

namespace sextant::router {

using PeerNumber = std::uint64_t;      // never used twice
using SequenceNumber = std::uint64_t;  // never used twice

// Borrowed during the call.
struct SequenceStart {
  SequenceNumber sequence = 0;
  absl::Span<const std::int32_t> prompt_ids = {};
  absl::Span<const std::int32_t> generated_ids =
      {};                          // what it has from elsewhere; not reported again
  const SamplingParams& sampling;  // but for the seed
  std::uint64_t seed = 0;
  std::int64_t max_tokens = 0;  // generated_ids included
  absl::Span<const std::int32_t> stop_ids = {};
  std::int32_t priority = 0;
  std::string_view request_id = {};
};

struct TokenLogprob {
  std::int32_t id = 0;
  float logprob = 0;
};

struct TokenLogprobs {
  float logprob = 0;                   // of the token that was chosen
  std::vector<TokenLogprob> top = {};  // likeliest first
};

struct PeerToken {
  std::int32_t id = 0;
  std::optional<TokenLogprobs> logprobs = {};
  bool finished = false;  // by a stop id, or by max_tokens
  bool stopped = false;   // by a stop id
};

struct PeerFailure {
  absl::Status status = {};
  bool permanent = false;  // would fail anywhere
};

struct PeerEvent {
  SequenceNumber sequence = 0;
  std::int64_t cached_prompt_tokens = 0;
  std::variant<PeerToken, PeerFailure> what = {};
};

struct PeerLoad {
  std::int64_t running = 0;
  std::int64_t waiting = 0;
  std::int64_t free_blocks = 0;
};

struct PeerEvents {
  std::vector<PeerEvent> events = {};
  PeerLoad load = {};
};

class AttentionPeer {
 public:
  virtual ~AttentionPeer() = default;

  // Neither waits; what is given to a broken stream is dropped, and the loss is reported.
  virtual void Start(const SequenceStart& start) = 0;
  virtual void Cancel(SequenceNumber sequence) = 0;
};

class AttentionPeers {
 public:
  virtual ~AttentionPeers() = default;

  // Begins a stream to the worker, whose reports carry `number`.
  [[nodiscard]] virtual std::unique_ptr<AttentionPeer> Connect(const AttentionWorkerInfo& worker,
                                                               PeerNumber number) = 0;
};

}  // namespace sextant::router
