#include "common/rpc/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace sextant {
namespace {

bool SomebodyListens(const sockaddr_un& address) {
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return false;
  const bool connected =
      connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(probe);
  return connected;
}

}  // namespace

absl::Status RemoveStaleUnixSocket(const std::string& target) {
  constexpr absl::string_view kScheme = "unix:";
  if (!absl::StartsWith(target, kScheme)) return absl::OkStatus();
  const std::string path = target.substr(kScheme.size());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("the socket's path ", path, " has ", path.size(),
                                                   " bytes; the system allows ",
                                                   sizeof(address.sun_path) - 1));
  }
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return absl::OkStatus();
  if (!S_ISSOCK(info.st_mode)) {
    return absl::AlreadyExistsError(absl::StrCat(path, " is there and is no socket"));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (SomebodyListens(address)) {
    return absl::AlreadyExistsError(absl::StrCat("another process listens on ", path));
  }
  unlink(path.c_str());
  return absl::OkStatus();
}

std::string OwnUnixTarget(std::string folder, const std::string& role) {
  if (folder.empty()) folder = absl::StrCat("/tmp/sextant-", getuid());
  mkdir(folder.c_str(), 0700);        // where that fails, listening says why
  static std::atomic<int> given = 0;  // a process may be several workers
  const int before = given++;
  return absl::StrCat("unix:", folder, "/", role, "-", getpid(),
                      before == 0 ? "" : absl::StrCat("-", before + 1), ".sock");
}

}  // namespace sextant
