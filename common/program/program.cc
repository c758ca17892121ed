#include "common/program/program.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/program/process.h"
#include "common/program/stop_signals.h"

namespace sextant {

int RunAsProcess(const char* role, Program& program, int argc, char** argv) {
  PrepareProcess();
  StopSignals signals;
  return program(Arguments(argv, argv + argc), signals, ReadyLine(role));
}

ReadyFunction ReadyLine(const char* role) {
  return [role](const std::vector<std::string>& targets) {
    std::printf("ready %s %s\n", role, absl::StrJoin(targets, " ").c_str());
    std::fflush(stdout);
  };
}

std::optional<int> Parse(CLI::App& app, const Arguments& arguments) {
  std::vector<const char*> words;
  for (const std::string& argument : arguments) words.push_back(argument.c_str());
  try {
    app.parse(static_cast<int>(words.size()), words.data());
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  return std::nullopt;
}

int ExitStatus(const char* role, const absl::Status& status) {
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s: %s\n", role, std::string(status.message()).c_str());
  return 1;
}

absl::StatusOr<std::unique_ptr<MetricsServer>> StartMetricsPage(const Metrics& metrics,
                                                                const std::string& admin_host,
                                                                std::int64_t admin_port) {
  if (admin_port < 0) return std::unique_ptr<MetricsServer>();
  return MetricsServer::Start(metrics, {.host = admin_host, .port = static_cast<int>(admin_port)});
}

}  // namespace sextant
