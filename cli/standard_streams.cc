#include "cli/standard_streams.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace sextant::cli {

absl::StatusOr<std::string> ReadStandardInput(std::size_t most_bytes) {
  std::string text;
  std::array<char, 65536> block;
  while (const std::size_t count = std::fread(block.data(), 1, block.size(), stdin)) {
    text.append(block.data(), count);
    if (text.size() > most_bytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("standard input is longer than ", most_bytes, " bytes; give it in parts"));
    }
  }
  if (std::ferror(stdin) != 0) {
    return absl::UnavailableError(
        absl::StrCat("standard input cannot be read: ", std::strerror(errno)));
  }
  return text;
}

absl::Status WriteStandardOutput(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size() &&
      std::fflush(stdout) == 0) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(
      absl::StrCat("standard output cannot be written: ", std::strerror(errno)));
}

void ShowOnTerminal(const std::string& line) {
  if (::isatty(STDERR_FILENO) != 1) return;
  std::fprintf(stderr, "\r%s\033[K", line.c_str());
  std::fflush(stderr);
}

}  // namespace sextant::cli
