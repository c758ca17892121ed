// The other side of a cluster's ports, without manners: calls that carry any bytes, and connections
// that speak no gRPC.
//
// Threads:   one for each object.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace sextant {

// A call of any method; each function waits for its end.
class RawCall {
 public:
  // `method`: "/sextant.v1.Cluster/Join".
  RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
          absl::Duration longest);
  ~RawCall();
  RawCall(const RawCall&) = delete;
  RawCall& operator=(const RawCall&) = delete;

  // False when the call has ended.
  bool Write(const std::string& bytes);
  bool WritesDone();
  // False at the end of what the other side sends.
  bool Read(std::string& bytes);
  // Reads what is left; how the call ended.
  [[nodiscard]] absl::Status Finish();
  void Cancel() { context_.TryCancel(); }

 private:
  bool Next();

  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  grpc::GenericStub stub_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  bool finished_ = false;
};

// A socket connected to "127.0.0.1:7070" or "unix:/path"; closed at the end.
class RawSocket {
 public:
  explicit RawSocket(const std::string& target);
  ~RawSocket();
  RawSocket(RawSocket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  RawSocket& operator=(RawSocket&&) = delete;

  [[nodiscard]] bool connected() const { return descriptor_ >= 0; }
  // Sends until the other side takes no more.
  void Send(const std::string& bytes);
  // Reads for a moment, so that the other side has looked at what was sent.
  void Listen(absl::Duration longest);

 private:
  int descriptor_ = -1;
};

}  // namespace sextant
