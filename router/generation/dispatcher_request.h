// What the dispatcher keeps of a request and of each of its answers; for its own files alone.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "router/generation/answer.h"
#include "router/generation/dispatcher.h"

namespace sextant::router {

struct Dispatcher::AnswerState {
  std::unique_ptr<Answer> answer;  // null: still in the queue
  SequenceNumber sequence = 0;     // 0: on no worker
  PeerNumber peer = 0;
  bool ended = false;
  int losses = 0;        // of workers since the last token
  int failures = 0;      // elsewhere to be tried, since the last token
  PeerNumber avoid = 0;  // who failed it last
  absl::Time last_token = absl::InfinitePast();
  bool interrupted = false;  // by the loss of a worker, and no token since
};

struct Dispatcher::Request {
  PreparedRequest prepared;
  std::shared_ptr<AnswerSink> sink;
  std::vector<AnswerState> answers;
  std::int32_t next_answer = 0;  // the first one that is in the queue
  std::int32_t ended_answers = 0;
  std::int64_t completion_tokens = 0;
  std::int64_t cached_prompt_tokens = 0;
  absl::Time started = absl::InfiniteFuture();
  absl::Time first_token = absl::InfiniteFuture();
  absl::Time expiry = absl::InfiniteFuture();  // when EndExpired looks at it

  [[nodiscard]] const absl::Time& deadline() const { return prepared.call.deadline; }
  [[nodiscard]] SequenceNeeds needs() const {
    return {.prompt_ids = prepared.prompt_ids, .max_tokens = prepared.max_tokens};
  }
};

}  // namespace sextant::router
