#include "common/base/watched_file.h"

#include <utility>

#include "common/base/file.h"

namespace sextant {

WatchedFile::WatchedFile(std::string path, std::string text, std::int64_t max_bytes)
    : path_(std::move(path)), max_bytes_(max_bytes), known_(std::move(text)), seen_(known_) {}

std::optional<absl::StatusOr<std::string>> WatchedFile::Poll() {
  absl::StatusOr<std::string> now = ReadFile(path_, max_bytes_);
  const bool settled = now == seen_;
  seen_ = std::move(now);
  if (!settled || seen_ == known_) return std::nullopt;
  known_ = seen_;
  return known_;
}

}  // namespace sextant
