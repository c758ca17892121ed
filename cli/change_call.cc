#include "cli/change_call.h"

#include <CLI/CLI.hpp>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "cli/client/status_text.h"
#include "cli/standard_streams.h"
#include "common/base/status.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"

namespace sextant::cli {

void AddChangeOptions(CLI::App& command, ChangeOptions& options) {
  command.add_option("--router", options.router, "Where the cluster listens")
      ->capture_default_str()
      ->type_name("HOST:PORT");
  command
      .add_option("--timeout", options.timeout_s,
                  "How long to follow; what is under way goes on afterwards")
      ->check(CLI::Range(0.01, 1e6))
      ->capture_default_str()
      ->type_name("SECONDS");
}

absl::Status FollowChange(
    const ChangeOptions& options, bool first_only,
    absl::FunctionRef<ChangeReader(v1::Admin::Stub&, grpc::ClientContext*)> call) {
  const auto stub = v1::Admin::NewStub(OpenChannel(options.router));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(options.timeout_s)));
  const ChangeReader reader = call(*stub, &context);
  v1::ChangeProgress step;
  bool over = false;
  while (!over && reader->Read(&step)) {
    RETURN_IF_ERROR(
        WriteStandardOutput(absl::StrFormat("%-8s %s\n", step.phase(), step.message())));
    over = step.done() || first_only;
  }
  if (over) {
    context.TryCancel();
    static_cast<void>(reader->Finish());
    return absl::OkStatus();
  }
  const absl::Status status = FromGrpc(reader->Finish());
  if (status.ok()) return absl::UnavailableError("the router ended the call before the change");
  return absl::Status(status.code(), StatusText(status, options.router));
}

}  // namespace sextant::cli
