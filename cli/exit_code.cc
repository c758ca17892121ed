#include <cstdio>
#include <string>

#include "cli/commands.h"

namespace sextant::cli {

int ExitCode(absl::string_view command, const absl::Status& status) {
  if (status.ok()) return 0;
  std::string line = "sextant" + std::string(command.empty() ? "" : " ") + std::string(command) +
                     ": " + std::string(status.message());
  for (char& c : line) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  line += '\n';
  std::fflush(stdout);
  std::fwrite(line.data(), 1, line.size(), stderr);
  return 1;
}

}  // namespace sextant::cli
