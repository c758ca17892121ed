#include "common/program/program_flags.h"

#include "common/base/status.h"

namespace sextant {

void AddProgramFlags(CLI::App& app, ProgramFlags& flags) {
  app.add_option("--config", flags.config_file,
                 "YAML file of the cluster's settings; flags win over it");
  app.add_option("--admin-host", flags.admin_host,
                 "IPv4 address of the metrics page; 0.0.0.0: of every interface [127.0.0.1]");
  app.add_option("--admin-port", flags.admin_port, "Port of the metrics page; 0: any, -1: none [0]")
      ->check(Within(kAdminPortRange));
  app.add_option("--log-level", flags.log_level, "debug, info, warning or error [info]")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
}

absl::Status LayOver(const ProgramFlags& flags, Config& config) {
  LayOver(flags.admin_host, config.cluster.admin_host);
  if (flags.log_level.has_value()) {
    ASSIGN_OR_RETURN(config.cluster.log_level, ParseLogLevel(*flags.log_level));
  }
  return absl::OkStatus();
}

absl::StatusOr<Config> ReadProgramConfig(const ProgramFlags& flags) {
  Config config;
  if (!flags.config_file.empty()) {
    ASSIGN_OR_RETURN(config, ReadConfig(flags.config_file));
  }
  RETURN_IF_ERROR(LayOver(flags, config));
  return config;
}

void AddSwitch(CLI::App& app, const std::string& name, std::optional<bool>& value,
               const std::string& description) {
  app.add_option(name, value, description)->type_name("TEXT")->check(CLI::IsMember({"on", "off"}));
}

}  // namespace sextant
