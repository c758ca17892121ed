// One line on standard error that shows how far a long task is.
//
// On a terminal the line redraws itself at most ten times a second and is wiped at the end;
// elsewhere (a log, a pipe) nothing is written.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace sextant::cli {

class ProgressBar {
 public:
  explicit ProgressBar(std::string label);
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ~ProgressBar();

  void Update(std::int64_t done_bytes, std::int64_t total_bytes);

 private:
  const std::string label_;
  const bool visible_;
  const std::chrono::steady_clock::time_point started_;
  std::chrono::steady_clock::time_point drawn_;
};

}  // namespace sextant::cli
