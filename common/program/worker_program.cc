#include "common/program/worker_program.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace sextant {

void AddWorkerFlags(CLI::App& app, WorkerFlags& flags) {
  app.add_option("--model", flags.model, "The model's folder")->required();
  app.add_option("--router", flags.router, "gRPC target of the router")->capture_default_str();
  app.add_option("--listen", flags.listen,
                 "gRPC target to listen on, such as 0.0.0.0:7102 or unix:/run/worker.sock; may be "
                 "given several times [a unix socket in --runtime-dir]");
  app.add_option("--runtime-dir", flags.runtime_dir,
                 "Folder of the unix socket [a folder of the user's in /tmp]");
  app.add_option("--threads", flags.threads, "Threads that compute; 0: one per processor [0]")
      ->check(Within(kThreadsRange));
  app.add_option("--dtype", flags.dtype, "bf16 or fp32: where results are rounded [bf16]")
      ->check(CLI::IsMember({"bf16", "fp32"}));
  AddProgramFlags(app, flags.program);
}

absl::StatusOr<Config> ReadWorkerConfig(const WorkerFlags& flags) {
  ASSIGN_OR_RETURN(Config config, ReadProgramConfig(flags.program));
  LayOver(flags.threads, config.engine.threads);
  if (flags.dtype.has_value()) {
    config.engine.dtype = *flags.dtype == "bf16" ? Precision::kBf16 : Precision::kFp32;
  }
  return config;
}

std::string ReachableAdminTarget(const std::string& page, const std::vector<std::string>& listen) {
  constexpr absl::string_view kEveryInterface = "0.0.0.0:";
  if (!absl::StartsWith(page, kEveryInterface)) return page;
  for (const std::string& target : listen) {
    if (absl::StartsWith(target, "unix:")) continue;
    return absl::StrCat(target.substr(0, target.rfind(':')), ":",
                        page.substr(kEveryInterface.size()));
  }
  return page;
}

}  // namespace sextant
