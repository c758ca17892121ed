// A program of a cluster as a function, so that a process can be one role (main.cc) or several
// (`sextant up --in-process`).
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/observability/metrics.h"
#include "common/observability/metrics_server.h"
#include "common/program/stop_source.h"

namespace sextant {

// As argv: the program's name first.
using Arguments = std::vector<std::string>;
// Told once, with the gRPC targets that the role listens on.
using ReadyFunction = std::function<void(const std::vector<std::string>& targets)>;

// Runs until `stop` says so, or until it fails, and returns the exit status. Says what is wrong on
// standard error.
using Program = int(const Arguments& arguments, StopSource& stop, const ReadyFunction& on_ready);

// The whole of main(): stops at signals, and says "ready ROLE TARGET..." on standard output.
int RunAsProcess(const char* role, Program& program, int argc, char** argv);

// What says so.
[[nodiscard]] ReadyFunction ReadyLine(const char* role);

// The exit status, when `arguments` ask for help or are wrong; else they are in `app`'s variables.
[[nodiscard]] std::optional<int> Parse(CLI::App& app, const Arguments& arguments);

// 0 if it is OK; else says on standard error why it is not, and gives 1.
[[nodiscard]] int ExitStatus(const char* role, const absl::Status& status);

// The metrics page at an address as configured: null for the port -1.
[[nodiscard]] absl::StatusOr<std::unique_ptr<MetricsServer>> StartMetricsPage(
    const Metrics& metrics, const std::string& admin_host, std::int64_t admin_port);

}  // namespace sextant
