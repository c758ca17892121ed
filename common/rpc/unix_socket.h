// Unix sockets as gRPC targets.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace sextant {

// Removes the socket of a "unix:PATH" target if nobody listens on it: what a killed process left.
// Other targets, and paths where nothing is, are left alone.
// Errors: AlreadyExists when a process listens there or the path is no socket; InvalidArgument
// for a path that is longer than a socket's address can be.
[[nodiscard]] absl::Status RemoveStaleUnixSocket(const std::string& target);

// "unix:FOLDER/ROLE-PID.sock": where a worker that was given no address listens; another one each
// time, "ROLE-PID-2.sock" and so on. Creates the
// folder, for its user alone; an empty one is a folder of the user's in /tmp.
[[nodiscard]] std::string OwnUnixTarget(std::string folder, const std::string& role);

}  // namespace sextant
