// The public Inference service, as the commands call it.
//
//   InferenceClient client("127.0.0.1:7070");
//   auto answer = client.Chat(request, {.timeout = absl::Minutes(5)}, on_piece, on_end);
//   ... answer->Cancel() ...
//
// Threads:   everything may be called from any thread. An answer's callbacks come from one of
//            gRPC's at a time, pieces in order, `on_end` once and last; they must not block long.
// Ownership: an answer lives on until its `on_end` has returned, whoever else holds it. The
// client's
//            destructor waits until all have ended, so no callback may destroy it (see
//            common/rpc/channel_link.h).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/sextant/v1/inference.pb.h"

namespace sextant::cli {

class Answer {
 public:
  using OnPiece = std::function<void(const v1::GenerateResponse& piece)>;
  using OnEnd = std::function<void(const absl::Status& status)>;

  virtual ~Answer() = default;
  // Its end comes soon, with Cancelled unless it was there already.
  virtual void Cancel() = 0;
};

class InferenceClient {
 public:
  struct CallOptions {
    absl::Duration timeout = absl::InfiniteDuration();
  };

  // Does not connect yet. `target`: "127.0.0.1:7070", "unix:/run/sextant/router.sock".
  explicit InferenceClient(const std::string& target);
  ~InferenceClient();

  [[nodiscard]] std::shared_ptr<Answer> Generate(const v1::GenerateRequest& request,
                                                 const CallOptions& options,
                                                 Answer::OnPiece on_piece, Answer::OnEnd on_end);
  [[nodiscard]] std::shared_ptr<Answer> Chat(const v1::ChatRequest& request,
                                             const CallOptions& options, Answer::OnPiece on_piece,
                                             Answer::OnEnd on_end);

  // The served models. Waits for a router that is not there; Unavailable after `timeout`.
  [[nodiscard]] absl::StatusOr<v1::ListModelsResponse> ListModels(absl::Duration timeout);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sextant::cli
