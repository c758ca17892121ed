#include "common/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace sextant {
namespace {

absl::StatusCode CodeFor(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return absl::StatusCode::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
      return absl::StatusCode::kResourceExhausted;
    default:
      return absl::StatusCode::kUnavailable;
  }
}

absl::StatusOr<std::string> ReadDescriptor(int fd, const std::string& path,
                                           std::int64_t max_bytes) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return FileError(errno, path, "cannot be examined");
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": is not a regular file"));
  }
  if (info.st_size > max_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": has ", info.st_size, " bytes; at most ",
                                                   max_bytes, " are accepted here"));
  }
  std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = ::read(fd, bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError(errno, path, "cannot be read");
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

}  // namespace

absl::Status FileError(int error_number, const std::string& path, const std::string& what) {
  // absl::ErrnoToStatus also spells the reason, thread-safely.
  const absl::Status reason = absl::ErrnoToStatus(error_number, absl::StrCat(path, ": ", what));
  return absl::Status(CodeFor(error_number), reason.message());
}

absl::StatusOr<std::string> ReadFile(const std::string& path, std::int64_t max_bytes) {
  // O_NONBLOCK: opening a FIFO by mistake must not wait for a writer.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return FileError(errno, path, "cannot be opened");
  absl::StatusOr<std::string> bytes = ReadDescriptor(fd, path, max_bytes);
  ::close(fd);
  return bytes;
}

absl::Status WriteFile(const std::string& path, absl::string_view bytes) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return FileError(errno, path, "cannot be created");
  absl::Status status;
  while (status.ok() && !bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      status = FileError(errno, path, "cannot be written");
    } else {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  if (::close(fd) != 0) status.Update(FileError(errno, path, "cannot be closed"));
  return status;
}

}  // namespace sextant
