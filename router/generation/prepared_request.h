// A request as the router works on it: checked, tokenized, with nothing left to default.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/sampling_params/sampling_params.h"

namespace sextant::router {

// What the call tells besides its message.
struct CallContext {
  std::uint64_t handle = 0;  // of the call, never used twice
  absl::Time arrival = {};
  absl::Time deadline = absl::InfiniteFuture();
  std::string caller = {};  // its address, without the port
};

struct PreparedRequest {
  CallContext call;
  std::string request_id;
  std::string client_id;
  std::int32_t priority = 0;
  std::vector<std::int32_t> prompt_ids;
  SamplingParams sampling;              // its seed is that of the first answer
  std::int64_t max_tokens = 0;          // of each answer
  std::vector<std::int32_t> stop_ids;   // end an answer; reported, without text
  std::vector<std::string> stop_texts;  // end an answer before them
  std::int32_t num_answers = 1;
};

}  // namespace sextant::router
