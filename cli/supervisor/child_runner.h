// What happens to the children of a supervisor, as events to wait for.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "cli/supervisor/child.h"

namespace sextant::cli {

struct ChildReady {
  int pid = 0;
  std::vector<std::string> targets;  // where it listens
};
struct ChildExited {
  int pid = 0;
  int status = 0;  // of exit(), or minus the signal that killed it
};
// SIGINT or SIGTERM has come.
struct StopRequested {};
using ChildEvent = std::variant<ChildReady, ChildExited, StopRequested>;

class ChildRunner : public ChildHost {
 public:
  // What has happened; waits for at most `longest` until something has. A child's ready event comes
  // before its exit.
  [[nodiscard]] virtual std::vector<ChildEvent> Wait(absl::Duration longest) = 0;
  // Ends the Wait under way, or else the next one, without an event. Any thread.
  virtual void Wake() = 0;
};

}  // namespace sextant::cli
