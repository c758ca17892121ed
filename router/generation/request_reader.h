// Turns what a client asks for into what the router works on: checks every field, renders the chat
// template, tokenizes. The slow part of a request, so it is not done by the thread that owns the
// state.
//
// Threads:   const; any number of threads.
// Errors:    those of the service, naming the field as the message's path says it
//            ("params.sampling.top_p"): InvalidArgument for a field, NotFound for the model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/sextant/v1/inference.pb.h"
#include "router/generation/prepared_request.h"
#include "router/generation/random_numbers.h"
#include "router/model_text/model_text.h"

namespace sextant::router {

class RequestReader {
 public:
  struct Options {
    std::string model_id;
    std::int64_t context_length = 0;
    std::int64_t vocab_size = 0;
    std::uint64_t randomness = 0;  // where seeds and ids that nobody chose begin
  };

  // `text` outlives the reader.
  RequestReader(Options options, const ModelText& text);

  [[nodiscard]] absl::StatusOr<PreparedRequest> Read(const v1::GenerateRequest& request,
                                                     CallContext call) const;
  [[nodiscard]] absl::StatusOr<PreparedRequest> Read(const v1::ChatRequest& request,
                                                     CallContext call) const;

  [[nodiscard]] absl::Status CheckModel(const std::string& model) const;
  [[nodiscard]] absl::StatusOr<std::vector<std::int32_t>> Tokenize(
      const v1::TokenizeRequest& request) const;
  [[nodiscard]] absl::StatusOr<std::string> Detokenize(const v1::DetokenizeRequest& request) const;

  [[nodiscard]] const Options& options() const { return options_; }

 private:
  [[nodiscard]] absl::StatusOr<std::vector<std::int32_t>> ReadPrompt(
      const v1::GenerateRequest& request) const;
  [[nodiscard]] absl::StatusOr<std::vector<std::int32_t>> ReadText(const std::string& text) const;
  template <typename Messages>
  [[nodiscard]] absl::StatusOr<std::vector<std::int32_t>> ReadMessages(
      const Messages& messages, const std::string& field) const;
  [[nodiscard]] absl::StatusOr<PreparedRequest> Complete(std::vector<std::int32_t> prompt_ids,
                                                         const std::string& prompt_field,
                                                         const v1::GenerationParams& params,
                                                         const std::string& request_id,
                                                         CallContext call) const;
  [[nodiscard]] absl::StatusOr<std::string> ReadRequestId(const std::string& given) const;

  const Options options_;
  const ModelText& text_;
  mutable RandomNumbers random_;
};

}  // namespace sextant::router
