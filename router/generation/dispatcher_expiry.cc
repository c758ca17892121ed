// When a request is looked at because of the time, and what it then ends with.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors/error_details.h"
#include "router/generation/dispatcher.h"
#include "router/generation/dispatcher_request.h"

namespace sextant::router {
namespace {

// So much before its deadline a request that no worker can serve is answered: after it the client
// would have hung up, and not be told why.
constexpr absl::Duration kLongestHeadStart = absl::Milliseconds(200);

// "0-3, 7": ascending numbers.
std::string AsRanges(const std::vector<std::int32_t>& numbers) {
  std::string text;
  for (std::size_t first = 0, last = 0; first < numbers.size(); first = ++last) {
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    absl::StrAppend(&text, text.empty() ? "" : ", ", numbers[first]);
    if (last > first) absl::StrAppend(&text, "-", numbers[last]);
  }
  return text;
}

}  // namespace

absl::Status Dispatcher::ExpiryOf(const Request& request) const {
  const bool on_worker =
      std::any_of(request.answers.begin(), request.answers.end(),
                  [](const AnswerState& answer) { return answer.sequence != 0; });
  if (!cover_.missing.empty()) {
    return WithReason(absl::UnavailableError(absl::StrCat(
                          "no expert worker holds the experts ", AsRanges(cover_.missing),
                          "; start expert workers, or see `sextant status`")),
                      "NO_EXPERT_WORKER");
  }
  if (!on_worker && workers_.ready_count() == 0) {
    return WithReason(absl::UnavailableError(absl::StrCat(
                          "no attention worker is ready: ",
                          cover_.attention_workers == 0
                              ? "none has joined; start one"
                              : absl::StrCat("of ", cover_.attention_workers,
                                             " that have joined none takes requests yet"),
                          ", or see `sextant status`")),
                      "NO_ATTENTION_WORKER");
  }
  if (request.started == absl::InfiniteFuture()) {
    return absl::DeadlineExceededError("the deadline passed while the request was in the queue");
  }
  return absl::DeadlineExceededError(
      absl::StrCat("the deadline passed after ", request.completion_tokens, " tokens"));
}

absl::Time Dispatcher::FirstLook(const Request& request) const {
  if (request.deadline() == absl::InfiniteFuture()) return now_ + options_.wait_for_worker;
  const absl::Duration patience = request.deadline() - now_;
  return request.deadline() - std::min(kLongestHeadStart, patience / 10);
}

absl::Time Dispatcher::NextLook(const Request& request, const absl::Status& status) const {
  const bool unserved = absl::IsUnavailable(status);
  if (request.deadline() != absl::InfiniteFuture()) return unserved ? now_ : request.deadline();
  if (!unserved) return now_ + options_.wait_for_worker;
  return std::max(unserved_since_, request.prepared.call.arrival) + options_.wait_for_worker;
}

void Dispatcher::NoteWhetherServed() {
  if (workers_.ready_count() > 0 && cover_.missing.empty()) {
    unserved_since_ = absl::InfiniteFuture();
  } else if (unserved_since_ == absl::InfiniteFuture()) {
    unserved_since_ = now_;
  }
}

void Dispatcher::EndExpired() {
  while (!expiries_.empty() && expiries_.begin()->first <= now_) {
    const std::uint64_t handle = expiries_.begin()->second;
    Request& request = *requests_.at(handle);
    absl::Status status = ExpiryOf(request);
    const absl::Time again = NextLook(request, status);
    if (again <= now_) {
      if (absl::IsUnavailable(status)) {
        (cover_.missing.empty() ? metrics_.no_attention_worker : metrics_.no_expert_worker)
            .Increment();
      }
      End(request, std::move(status));
      continue;
    }
    expiries_.erase(expiries_.begin());
    request.expiry = again;
    expiries_.emplace(request.expiry, handle);
  }
}

}  // namespace sextant::router
