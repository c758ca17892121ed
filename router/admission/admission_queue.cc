#include "router/admission/admission_queue.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/errors/error_details.h"

namespace sextant::router {
namespace {

constexpr absl::Duration kShortestDelay = absl::Milliseconds(100);
constexpr absl::Duration kLongestDelay = absl::Minutes(1);
constexpr absl::Duration kUnknownDelay = absl::Seconds(1);
constexpr absl::Duration kRateMemory = absl::Seconds(10);

}  // namespace

AdmissionQueue::AdmissionQueue(std::int64_t capacity) : capacity_(capacity), rate_(kRateMemory) {
  CHECK_GE(capacity, 1);
}

absl::Duration AdmissionQueue::RetryDelay(absl::Time now) const {
  const double per_second = rate_.PerSecond(now);
  if (per_second <= 0) return kUnknownDelay;
  const absl::Duration delay = absl::Seconds(static_cast<double>(size() + 1) / per_second);
  return std::clamp(delay, kShortestDelay, kLongestDelay);
}

absl::Status AdmissionQueue::FullError(absl::Duration delay) const {
  absl::Status status = absl::ResourceExhaustedError(
      absl::StrCat("the queue is full (", capacity_, " requests wait); try again in ",
                   absl::FormatDuration(absl::Trunc(delay, absl::Milliseconds(1)))));
  return WithRetryDelay(WithReason(std::move(status), "QUEUE_FULL"), delay);
}

absl::Status AdmissionQueue::Push(Ticket ticket, absl::Time now) {
  if (size() >= capacity_) return FullError(RetryDelay(now));
  CHECK_GE(ticket.answers, 1);
  CHECK(waiting_.count(ticket.request) == 0);
  Level& level = levels_[ticket.priority];
  auto [named, is_new] = level.by_name.try_emplace(ticket.client);
  if (is_new) {
    named->second = level.turns.insert(level.turns.end(), Client{.name = ticket.client});
  }
  const auto client = named->second;
  const auto place = client->requests.insert(client->requests.end(), ticket.request);
  const std::uint64_t request = ticket.request;
  waiting_.emplace(request, Waiting{.ticket = std::move(ticket), .client = client, .place = place});
  return absl::OkStatus();
}

std::optional<std::uint64_t> AdmissionQueue::Next() const {
  if (levels_.empty()) return std::nullopt;
  return levels_.begin()->second.turns.front().requests.front();
}

void AdmissionQueue::TakeNext(absl::Time now) {
  const std::optional<std::uint64_t> next = Next();
  CHECK(next.has_value());
  Waiting& waiting = waiting_.at(*next);
  // The client's turn is over, whether or not it has more.
  std::list<Client>& turns = levels_.begin()->second.turns;
  turns.splice(turns.end(), turns, waiting.client);
  if (--waiting.ticket.answers > 0) return;
  rate_.Add(now);
  Remove(*next);
}

void AdmissionQueue::Remove(std::uint64_t request) {
  const auto found = waiting_.find(request);
  if (found == waiting_.end()) return;
  const Waiting& waiting = found->second;
  const auto level = levels_.find(waiting.ticket.priority);
  waiting.client->requests.erase(waiting.place);
  if (waiting.client->requests.empty()) {
    level->second.by_name.erase(waiting.client->name);
    level->second.turns.erase(waiting.client);
    if (level->second.turns.empty()) levels_.erase(level);
  }
  waiting_.erase(found);
}

}  // namespace sextant::router
