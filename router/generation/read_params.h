// Checks what a request sets about its generation, and fills in what it leaves out.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "proto/sextant/v1/inference.pb.h"
#include "router/generation/prepared_request.h"
#include "router/model_text/model_text.h"

namespace sextant::router {

struct ParamLimits {
  std::int64_t context_length = 0;
  std::int64_t vocab_size = 0;
  std::int64_t prompt_tokens = 0;  // fewer than context_length
  std::uint64_t free_seed = 0;     // taken where the request has none
};

// The request but for its prompt, id and call.
// Errors: InvalidArgument naming the field ("params.stop[1]").
[[nodiscard]] absl::StatusOr<PreparedRequest> ReadParams(const v1::GenerationParams& params,
                                                         const ModelText& text,
                                                         const ParamLimits& limits);

}  // namespace sextant::router
