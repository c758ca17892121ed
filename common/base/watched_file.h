// A small text file that somebody may change at any time, by writing it or by putting another one
// in its place: a mounted ConfigMap is a link to a folder, which is swapped.
//
//   WatchedFile file(path, text);       // what was read of it before
//   ... a few times a second ...
//   if (auto change = file.Poll()) ...  // the new text, or why it cannot be read
//
// It is read whole at every call, for neither times nor inode numbers tell of every change, and a
// change counts once two calls in a row have seen it: a file that is being written is not yet it.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace sextant {

class WatchedFile {
 public:
  // Longer files cannot be read, for ReadFile's reason.
  WatchedFile(std::string path, std::string text, std::int64_t max_bytes);

  // What it holds now, or the error of ReadFile, if that is not what was known.
  [[nodiscard]] std::optional<absl::StatusOr<std::string>> Poll();

 private:
  const std::string path_;
  const std::int64_t max_bytes_;
  absl::StatusOr<std::string> known_;
  absl::StatusOr<std::string> seen_;  // by the last call
};

}  // namespace sextant
