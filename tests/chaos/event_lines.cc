#include "tests/chaos/event_lines.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"

namespace sextant::chaos {

void EventLines::Add(const absl::StatusOr<v1::ClusterStatus>& status) {
  if (!status.ok()) return;
  const auto& events = status->events();
  // What is new follows the last line that is known already.
  auto first = events.begin();
  if (!lines_.empty()) {
    const auto known = std::find(events.rbegin(), events.rend(), lines_.back());
    if (known != events.rend()) first = known.base();
  }
  lines_.insert(lines_.end(), first, events.end());
}

int EventLines::broken_streams() const {
  return static_cast<int>(std::count_if(lines_.begin(), lines_.end(), [](const std::string& line) {
    return absl::StrContains(line, "its stream broke");
  }));
}

std::string EventLines::Summary() const {
  constexpr absl::string_view kAfter = "committed by all after ";
  int silent = 0;
  int given_up = 0;
  std::vector<absl::Duration> epochs;
  for (const std::string& line : lines_) {
    silent += absl::StrContains(line, "no heartbeat") ? 1 : 0;
    given_up += absl::StrContains(line, "given up") ? 1 : 0;
    const std::size_t at = line.find(kAfter.data(), 0, kAfter.size());
    absl::Duration took;
    if (at != std::string::npos && absl::ParseDuration(line.substr(at + kAfter.size()), &took)) {
      epochs.push_back(took);
    }
  }
  std::sort(epochs.begin(), epochs.end());
  std::string text = absl::StrFormat(
      "deaths seen: %d by a broken stream, %d by silence; epochs: %d committed, %d given up",
      broken_streams(), silent, epochs.size(), given_up);
  if (!epochs.empty()) {
    absl::StrAppendFormat(&text, "; from prepare to committed by all: median %s, longest %s",
                          absl::FormatDuration(epochs[epochs.size() / 2]),
                          absl::FormatDuration(epochs.back()));
  }
  return text + "\n";
}

}  // namespace sextant::chaos
