#include "cli/engine/progress_bar.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace sextant::cli {
namespace {

constexpr std::chrono::milliseconds kRedrawEvery{100};
constexpr int kWidth = 30;

}  // namespace

ProgressBar::ProgressBar(std::string label)
    : label_(std::move(label)),
      visible_(::isatty(STDERR_FILENO) == 1),
      started_(std::chrono::steady_clock::now()) {}

ProgressBar::~ProgressBar() {
  if (visible_) std::fprintf(stderr, "\r\033[K");
}

void ProgressBar::Update(std::int64_t done_bytes, std::int64_t total_bytes) {
  const auto now = std::chrono::steady_clock::now();
  if (!visible_ || total_bytes <= 0 || now - drawn_ < kRedrawEvery) return;
  drawn_ = now;
  const double share = static_cast<double>(done_bytes) / static_cast<double>(total_bytes);
  const int filled = std::clamp(static_cast<int>(share * kWidth), 0, kWidth);
  const std::string bar = std::string(static_cast<std::size_t>(filled), '=') +
                          std::string(static_cast<std::size_t>(kWidth - filled), ' ');
  const double elapsed_s = std::chrono::duration<double>(now - started_).count();
  const double left_s = share > 0 ? elapsed_s / share - elapsed_s : 0;
  std::fprintf(stderr, "\r%s [%s] %3.0f%%  %.1f of %.1f GB, %.0f s left\033[K", label_.c_str(),
               bar.c_str(), 100 * share, static_cast<double>(done_bytes) / 1e9,
               static_cast<double>(total_bytes) / 1e9, left_s);
  std::fflush(stderr);
}

}  // namespace sextant::cli
