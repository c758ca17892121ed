#include "common/exchange/ranks/rank_pace.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace sextant {
namespace {

// Calls are a step or two ahead of the slowest rank, and few epochs are on their way at once.
constexpr std::size_t kMostWaiting = 16;

absl::Status Refused(std::uint64_t epoch, std::uint64_t step, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("epoch ", epoch, ", step ", step, ": ", why));
}

}  // namespace

void RankPace::Prepare(const RankEpoch& epoch) {
  CHECK(!epoch.attention.has_value() || *epoch.attention < epoch.attention_ranks);
  if (epoch.number >= first_ && epoch.number > epoch_.number) {
    prepared_.try_emplace(epoch.number, epoch);
  }
}

void RankPace::EndBefore(std::uint64_t next) {
  if (next <= first_) return;
  first_ = next;
  prepared_.erase(prepared_.begin(), prepared_.lower_bound(next));
  heard_.erase(heard_.begin(), heard_.lower_bound(next));
}

absl::StatusOr<RankPace::Heard*> RankPace::Find(std::uint64_t epoch) {
  if (epoch < first_) return nullptr;
  if (heard_.size() == kMostWaiting && !heard_.contains(epoch)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("epoch ", epoch, ": ", heard_.size(), " others wait to be entered"));
  }
  return &heard_[epoch];
}

absl::Status RankPace::Hear(const StepCall& call) {
  ASSIGN_OR_RETURN(Heard* const heard, Find(call.epoch));
  if (heard == nullptr) return absl::OkStatus();
  const std::uint64_t number = call.step.number;
  const std::uint64_t newest = heard->newest.has_value() ? heard->newest->step.number : 0;
  if (number == newest && heard->newest.has_value() && call != *heard->newest) {
    return Refused(call.epoch, number, "called again, otherwise");
  }
  if (number <= newest) return absl::OkStatus();
  if (number != newest + 1) return Refused(call.epoch, number, absl::StrCat("after ", newest));
  if (heard->last.has_value()) return Refused(call.epoch, number, "after the last");
  if (heard->waiting.size() == kMostWaiting) {
    return Refused(call.epoch, number, absl::StrCat(heard->waiting.size(), " others wait"));
  }
  if (call.epoch == epoch_.number) RETURN_IF_ERROR(CheckMine(call));
  heard->newest = call;
  heard->waiting.push_back(call);
  return absl::OkStatus();
}

absl::Status RankPace::Hear(const LastStep& last) {
  ASSIGN_OR_RETURN(Heard* const heard, Find(last.epoch));
  if (heard == nullptr || heard->last == last) return absl::OkStatus();
  const std::uint64_t newest = heard->newest.has_value() ? heard->newest->step.number : 0;
  if (heard->last.has_value()) return Refused(last.epoch, last.step, "the last one, otherwise");
  if (last.step != newest) {
    return Refused(last.epoch, last.step, absl::StrCat("the last one, but ", newest, " was"));
  }
  if (last.next <= last.epoch) {
    return Refused(last.epoch, last.step, absl::StrCat("epoch ", last.next, " follows"));
  }
  heard->last = last;
  LeaveIfLast();
  return absl::OkStatus();
}

absl::Status RankPace::CheckMine(const StepCall& call) const {
  const auto refused = [&](const auto&... why) {
    return Refused(call.epoch, call.step.number, absl::StrCat(why...));
  };
  if (call.rows.size() != static_cast<std::size_t>(epoch_.attention_ranks)) {
    return refused(call.rows.size(), " attention ranks instead of ", epoch_.attention_ranks);
  }
  if (!epoch_.attention.has_value()) return absl::OkStatus();
  if (!offer_.has_value()) return refused("nothing was offered for it");
  const std::int64_t rows = call.rows[static_cast<std::size_t>(*epoch_.attention)];
  if (rows != offer_->rows && !(raised_ && rows == 0)) {
    return refused(rows, " rows; ", offer_->rows, " were offered");
  }
  if (rows > call.step.slot_rows) return refused(rows, " rows in ", call.step.slot_rows);
  if (rows > 0 && offer_->exact && call.step.form != RankStepForm::kExact) {
    return refused("the rows need the exact form");
  }
  return absl::OkStatus();
}

Turn RankPace::turn() const {
  if (running_.has_value()) return Turn::kStep;
  if (over() && !prepared_.empty()) return Turn::kEnter;
  if (over()) return inside_ ? Turn::kLeave : Turn::kOut;
  if (aborted_) return Turn::kOut;
  const auto heard = heard_.find(epoch_.number);
  if (heard != heard_.end() && !heard->second.waiting.empty()) return Turn::kTake;
  return epoch_.attention.has_value() && !offer_.has_value() ? Turn::kOffer : Turn::kWait;
}

bool RankPace::may_raise() const {
  return turn() == Turn::kWait && offer_.has_value() && offer_->rows == 0;
}

absl::Status RankPace::Enter() {
  CHECK(turn() == Turn::kEnter);
  const auto next = prepared_.begin();
  epoch_ = next->second;
  prepared_.erase(next);
  inside_ = true;
  EndBefore(epoch_.number);
  taken_ = 0;
  offer_.reset();
  aborted_ = false;
  const auto heard = heard_.find(epoch_.number);
  if (heard == heard_.end()) return absl::OkStatus();
  for (const StepCall& call : heard->second.waiting) {
    const absl::Status mine = CheckMine(call);
    if (mine.ok()) continue;
    heard->second.waiting.clear();
    aborted_ = true;
    return mine;
  }
  LeaveIfLast();
  return absl::OkStatus();
}

void RankPace::Leave() {
  CHECK(turn() == Turn::kLeave);
  inside_ = false;
}

StepOffer RankPace::Offer(std::int64_t rows, bool exact) {
  CHECK_GE(rows, 0);
  CHECK(rows > 0 || !exact);
  raised_ = may_raise();
  CHECK(turn() == Turn::kOffer || (raised_ && rows > 0));
  offer_ = StepOffer{.epoch = epoch_.number,
                     .step = taken_ + 1,
                     .attention = *epoch_.attention,
                     .rows = rows,
                     .exact = exact};
  return *offer_;
}

TakenStep RankPace::Take() {
  CHECK(turn() == Turn::kTake);
  std::deque<StepCall>& waiting = heard_.at(epoch_.number).waiting;
  const StepCall& call = waiting.front();
  const auto attention = static_cast<std::size_t>(epoch_.attention.value_or(0));
  running_ = {.step = call.step, .rows = epoch_.attention.has_value() ? call.rows[attention] : 0};
  waiting.pop_front();
  taken_ = running_->step.number;
  offer_.reset();
  return *running_;
}

void RankPace::End(StepEnd end) {
  CHECK(turn() == Turn::kStep);
  running_.reset();
  if (end == StepEnd::kVoid) aborted_ = true;
  LeaveIfLast();
}

// The last step counts as done when it is void: nobody takes it again.
void RankPace::LeaveIfLast() {
  const auto heard = heard_.find(epoch_.number);
  if (heard == heard_.end() || running_.has_value()) return;
  const std::optional<LastStep>& last = heard->second.last;
  if (last.has_value() && last->step == taken_) EndBefore(last->next);
}

}  // namespace sextant
