// The messages of attention.proto and what the engine speaks.
#pragma once

#include "absl/status/statusor.h"
#include "attention_worker/serving/sequence_stream.h"
#include "proto/sextant/v1/attention.pb.h"

namespace sextant {

// Errors: InvalidArgument naming a sampling field that is not set. Values are the engine's to
// judge.
[[nodiscard]] absl::StatusOr<GenerationRequest> ToGenerationRequest(const v1::StartSequence& start);

[[nodiscard]] v1::SequenceEvent ToProto(const StreamEvent& event);
[[nodiscard]] v1::AttentionLoad ToProto(const EngineLoad& load);

}  // namespace sextant
