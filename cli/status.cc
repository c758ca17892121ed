#include "common/rpc/status.h"

#include <grpcpp/client_context.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "cli/admin/cluster_table.h"
#include "cli/client/status_text.h"
#include "cli/commands.h"
#include "cli/standard_streams.h"
#include "common/rpc/channel.h"
#include "proto/sextant/v1/admin.grpc.pb.h"

namespace sextant::cli {
namespace {

struct Options {
  std::string router = "127.0.0.1:7070";
  std::string output = "table";
  bool events = false;
  double timeout_s = 5;
};

absl::Status Run(const Options& options) {
  const auto stub = v1::Admin::NewStub(OpenChannel(options.router));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(options.timeout_s)));
  v1::ClusterStatus status;
  const absl::Status answered = FromGrpc(stub->Status(&context, {}, &status));
  if (!answered.ok()) return absl::Status(answered.code(), StatusText(answered, options.router));
  return WriteStandardOutput(options.output == "json" ? ClusterJson(status)
                                                      : ClusterTable(status, options.events));
}

}  // namespace

void AddStatusCommand(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "status", "Show the cluster: its workers, what they hold and what they do");
  command->footer(
      "\n  sextant status\n"
      "  sextant status --events\n"
      "  sextant status -o json --router 10.0.0.3:7070");
  command->add_option("--router", options->router, "Where the cluster listens")
      ->capture_default_str()
      ->type_name("HOST:PORT");
  command->add_option("-o,--output", options->output, "\"table\" for people, \"json\" for programs")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str()
      ->type_name("FORM");
  command->add_flag("--events", options->events,
                    "What has happened lately, too; JSON always has it");
  command->add_option("--timeout", options->timeout_s, "How long to wait for an answer")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str()
      ->type_name("SECONDS");
  command->callback([options, &exit_code] { exit_code = ExitCode("status", Run(*options)); });
}

}  // namespace sextant::cli
