// The supervisor's stream to its router (hosts.proto): what is to run, and what does.
//
// A stream that breaks is opened again, and the first report on the new one says what the host has
// been told before. Of reports and orders the newest counts; older ones that wait are left out.
//
// Threads:   one, but for `wake`, which is called by gRPC's threads when there is something to take
//            or to open again, and must not block.
// Shutdown:  the destructor cancels the stream and waits for its end.
#pragma once

#include <grpcpp/channel.h>

#include <functional>
#include <memory>
#include <optional>

#include "absl/time/time.h"
#include "proto/sextant/v1/hosts.grpc.pb.h"

namespace sextant::cli {

class HostLink {
 public:
  HostLink(const std::shared_ptr<grpc::Channel>& channel, std::function<void()> wake);
  ~HostLink();

  // Opens the stream if there is none and it is time to; sends the report if it says something
  // new. `obeyed` is set here.
  void Keep(v1::HostReport report, absl::Time now);

  // The newest orders, once.
  [[nodiscard]] std::optional<v1::HostOrders> TakeOrders();

  // When Keep has something to do by itself.
  [[nodiscard]] absl::Time NextDial() const;

 private:
  class Stream;

  const std::unique_ptr<v1::Hosts::Stub> stub_;
  const std::function<void()> wake_;
  std::unique_ptr<Stream> stream_;
  absl::Time next_dial_ = absl::InfinitePast();
  std::uint64_t obeyed_ = 0;  // on this stream
  std::string reported_;      // on this stream, as bytes
};

}  // namespace sextant::cli
