// A conversation with a served model: every question goes with all that was said before.
//
// Threads: one.
#pragma once

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/client/inference_client.h"
#include "proto/sextant/v1/inference.pb.h"

namespace sextant::cli {

class Conversation {
 public:
  struct Options {
    std::string model{};   // empty: the one that is served
    std::string system{};  // empty: no system message
    v1::GenerationParams params{};
    absl::Duration timeout = absl::InfiniteDuration();  // of one answer
  };

  // What is known at the end of an answer.
  struct End {
    v1::FinishReason reason = v1::FINISH_REASON_UNSPECIFIED;
    v1::Usage usage;
    v1::Timings timings;
    std::uint64_t seed = 0;
    bool cancelled = false;
  };

  // `client` outlives the conversation.
  Conversation(InferenceClient& client, Options options);

  // Hands the answer's text to `print` as it comes. Once `cancelled` is true, which is asked about
  // twenty times a second, the answer ends; what there is of it stays part of the conversation.
  // Errors: those of the service; the question is then forgotten.
  [[nodiscard]] absl::StatusOr<End> Ask(const std::string& question,
                                        absl::FunctionRef<void(absl::string_view)> print,
                                        absl::FunctionRef<bool()> cancelled);

  // Begins anew.
  void Forget();

 private:
  InferenceClient& client_;
  const Options options_;
  v1::ChatRequest request_;
};

}  // namespace sextant::cli
