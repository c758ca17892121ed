// Calls of Admin that change the cluster, with their progress on standard output.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "proto/sextant/v1/admin.grpc.pb.h"

namespace CLI {
class App;
}

namespace sextant::cli {

struct ChangeOptions {
  std::string router = "127.0.0.1:7070";
  double timeout_s = 600;
};

// --router and --timeout.
void AddChangeOptions(CLI::App& command, ChangeOptions& options);

using ChangeReader = std::unique_ptr<grpc::ClientReader<v1::ChangeProgress>>;

// Writes a line "PHASE  message" for every step until `done`, or with `first_only` for the first
// one, and then leaves the change to go on by itself.
[[nodiscard]] absl::Status FollowChange(
    const ChangeOptions& options, bool first_only,
    absl::FunctionRef<ChangeReader(v1::Admin::Stub&, grpc::ClientContext*)> call);

}  // namespace sextant::cli
