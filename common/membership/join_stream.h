// One stream of Cluster.Join, over a connection of its own: a stream that broke because of its
// connection is not followed by one over the same.
//
// Threads:   one reads, one writes, any may cancel. Finish comes last, from the one that reads,
//            when no write runs any more.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "proto/sextant/v1/cluster.grpc.pb.h"

namespace sextant {

class JoinStream {
 public:
  explicit JoinStream(const std::string& target);
  ~JoinStream();
  JoinStream(const JoinStream&) = delete;
  JoinStream& operator=(const JoinStream&) = delete;

  // Waits until the router can be reached, and opens the stream.
  void Open();

  // False when the stream is over.
  [[nodiscard]] bool Write(const v1::WorkerMessage& message);
  [[nodiscard]] bool Read(v1::CoordinatorMessage& message);

  // Ends it: everything that waits returns, and Open if it comes later.
  void Cancel();

  [[nodiscard]] absl::Status Finish();

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Cluster::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::WorkerMessage, v1::CoordinatorMessage>> stream_;
};

}  // namespace sextant
