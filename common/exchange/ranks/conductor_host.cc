#include "common/exchange/ranks/conductor_host.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace sextant {
namespace {

absl::Status Over(std::uint64_t epoch) {
  return absl::FailedPreconditionError(absl::StrCat("epoch ", epoch, " is over"));
}

absl::Status CheckSeat(const RankSeat& seat) {
  if (seat.epoch == 0 || seat.attempt == 0) {
    return absl::InvalidArgumentError("epochs and attempts are counted from 1");
  }
  if (seat.rank < 0 || seat.rank >= ConductorHost::kMostRanks) {
    return absl::InvalidArgumentError(
        absl::StrCat("rank ", seat.rank, " is not in [0, ", ConductorHost::kMostRanks, ")"));
  }
  return absl::OkStatus();
}

}  // namespace

void ConductorHost::Calls::Make(const absl::StatusOr<std::string>& id) const {
  for (const auto& listener : news) listener->OnNews();
  for (const auto& listener : ids) listener->OnId(id);
}

void ConductorHost::TellAll(const Epoch& epoch, Calls& calls) {
  for (const auto& [number, rank] : epoch.ranks) {
    if (rank.listener != nullptr) calls.news.push_back(rank.listener);
  }
}

absl::Status ConductorHost::CheckRank(const Epoch& epoch, int rank, std::uint64_t heard) {
  const int size = static_cast<int>(epoch.attention.size());
  if (rank >= size) {
    return absl::InvalidArgumentError(absl::StrCat("rank ", rank, " of an epoch of ", size));
  }
  if (heard > epoch.said.newest()) {
    return absl::InvalidArgumentError(absl::StrCat("rank ", rank, " has heard step ", heard,
                                                   " and the newest is ", epoch.said.newest()));
  }
  if (!epoch.said.Reaches(heard)) {
    return absl::DataLossError(absl::StrCat("rank ", rank, " has heard step ", heard,
                                            " and the newest is ", epoch.said.newest()));
  }
  return absl::OkStatus();
}

void ConductorHost::Conduct(std::uint64_t number, const RankLayout& layout, std::string id) {
  Calls calls;
  {
    const MutexLock lock(mutex_);
    if (number < first_) return;
    Epoch& epoch = epochs_[number];
    if (std::exchange(epoch.conducted, true)) return;
    const auto begun =
        conductors_.Conduct({.number = number,
                             .attention_ranks = static_cast<int>(layout.attention_ranks().size()),
                             .expert_ranks = static_cast<int>(layout.expert_ranks().size())});
    CHECK(begun.ok() && !begun->has_value());  // what is offered early is not heard here
    epoch.attention.assign(static_cast<std::size_t>(layout.size()), -1);
    int attention = 0;
    for (const int rank : layout.attention_ranks()) {
      epoch.attention[static_cast<std::size_t>(rank)] = attention++;
    }
    epoch.id = id;
    for (auto& [rank, came] : epoch.ranks) came.refused = CheckRank(epoch, rank, came.heard);
    TellAll(epoch, calls);
    const auto [begin, end] = id_waits_.equal_range(number);
    for (auto it = begin; it != end; ++it) calls.ids.push_back(std::move(it->second));
    id_waits_.erase(begin, end);
  }
  calls.Make(std::move(id));
}

void ConductorHost::Switch(std::uint64_t epoch, std::uint64_t next) {
  CHECK_GT(next, epoch);
  Calls calls;
  {
    const MutexLock lock(mutex_);
    const std::optional<LastStep> last = conductors_.Switch(epoch, next);
    if (!last.has_value()) return;
    Epoch& ended = epochs_.at(epoch);
    ended.said.Add(*last);
    TellAll(ended, calls);
    End(next, true, calls);
  }
  calls.Make(Over(epoch));
}

void ConductorHost::EndBefore(std::uint64_t next) {
  Calls calls;
  {
    const MutexLock lock(mutex_);
    conductors_.EndBefore(next);
    End(next, false, calls);
  }
  calls.Make(absl::FailedPreconditionError(absl::StrCat("epochs before ", next, " are over")));
}

void ConductorHost::End(std::uint64_t next, bool keep_said, Calls& calls) {
  first_ = std::max(first_, next);
  std::size_t kept = 0;
  for (auto it = epochs_.lower_bound(next); it != epochs_.begin();) {
    --it;
    if (keep_said && it->second.said.last().has_value() && ++kept <= kMostKept) continue;
    TellAll(it->second, calls);
    it = epochs_.erase(it);
  }
  const auto end = id_waits_.lower_bound(next);
  for (auto it = id_waits_.begin(); it != end; ++it) calls.ids.push_back(std::move(it->second));
  id_waits_.erase(id_waits_.begin(), end);
}

absl::Status ConductorHost::Come(const RankSeat& seat, std::uint64_t heard,
                                 std::shared_ptr<RankListener> listener) {
  RETURN_IF_ERROR(CheckSeat(seat));
  std::shared_ptr<RankListener> replaced;
  {
    const MutexLock lock(mutex_);
    auto found = epochs_.find(seat.epoch);
    if (found == epochs_.end()) {
      if (seat.epoch < first_) return Over(seat.epoch);
    } else if (found->second.conducted) {
      RETURN_IF_ERROR(CheckRank(found->second, seat.rank, heard));
    }
    Rank& rank = epochs_[seat.epoch].ranks[seat.rank];
    if (seat.attempt <= rank.attempt) {
      return absl::AlreadyExistsError(absl::StrCat("rank ", seat.rank, " of epoch ", seat.epoch,
                                                   " has come with attempt ", rank.attempt));
    }
    replaced = std::move(rank.listener);
    rank = {.attempt = seat.attempt, .listener = std::move(listener), .heard = heard};
  }
  if (replaced != nullptr) replaced->OnNews();
  return absl::OkStatus();
}

ConductorHost::Rank* ConductorHost::Find(const RankSeat& seat) {
  const auto epoch = epochs_.find(seat.epoch);
  if (epoch == epochs_.end()) return nullptr;
  const auto rank = epoch->second.ranks.find(seat.rank);
  if (rank == epoch->second.ranks.end() || rank->second.attempt != seat.attempt) return nullptr;
  return &rank->second;
}

RankNews ConductorHost::TakeNews(const RankSeat& seat) {
  const MutexLock lock(mutex_);
  const auto found = epochs_.find(seat.epoch);
  if (found == epochs_.end()) return {.what = Over(seat.epoch)};
  const Epoch& epoch = found->second;
  Rank* rank = Find(seat);
  if (rank == nullptr) {
    return {.what = absl::AbortedError(absl::StrCat("a later stream of rank ", seat.rank,
                                                    " has taken the place of this one"))};
  }
  if (!rank->refused.ok()) return {.what = rank->refused};
  RankNews news{.what = {}, .conducted = epoch.conducted};
  if (!epoch.said.Reaches(rank->heard)) {
    news.what = absl::DataLossError(absl::StrCat("rank ", seat.rank, " was told step ", rank->heard,
                                                 " and the newest is ", epoch.said.newest()));
  } else if (const StepCall* call = epoch.said.After(rank->heard); call != nullptr) {
    rank->heard = call->step.number;
    news.what = *call;
  } else if (epoch.said.last().has_value() && !std::exchange(rank->told_last, true)) {
    news.what = *epoch.said.last();
  }
  return news;
}

absl::Status ConductorHost::Hear(const RankSeat& seat, StepOffer offer) {
  Calls calls;
  {
    const MutexLock lock(mutex_);
    if (Find(seat) == nullptr) return absl::OkStatus();
    Epoch& epoch = epochs_.at(seat.epoch);
    CHECK(epoch.conducted);
    offer.epoch = seat.epoch;
    offer.attention = epoch.attention.at(static_cast<std::size_t>(seat.rank));
    if (offer.attention < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("rank ", seat.rank, " of epoch ", seat.epoch, " has nothing to offer"));
    }
    ASSIGN_OR_RETURN(std::optional<StepCall> begun, conductors_.Hear(offer));
    if (!begun.has_value()) return absl::OkStatus();
    epoch.said.Add(*std::move(begun));
    TellAll(epoch, calls);
  }
  for (const auto& listener : calls.news) listener->OnNews();
  return absl::OkStatus();
}

void ConductorHost::Leave(const RankSeat& seat, bool heard_last) {
  std::shared_ptr<RankListener> gone;  // destroyed without the lock
  const MutexLock lock(mutex_);
  Rank* rank = Find(seat);
  if (rank == nullptr) return;
  gone = std::move(rank->listener);
  const auto found = epochs_.find(seat.epoch);
  Epoch& epoch = found->second;
  if (!epoch.conducted) {
    epoch.ranks.erase(seat.rank);
    if (epoch.ranks.empty()) epochs_.erase(found);
    return;
  }
  rank->done = rank->told_last && heard_last;
  const auto done = std::count_if(epoch.ranks.begin(), epoch.ranks.end(),
                                  [](const auto& one) { return one.second.done; });
  if (static_cast<std::size_t>(done) == epoch.attention.size()) epochs_.erase(found);
}

void ConductorHost::WaitForId(std::uint64_t number, std::shared_ptr<IdListener> listener) {
  absl::StatusOr<std::string> id;
  {
    const MutexLock lock(mutex_);
    const auto found = epochs_.find(number);
    if (found != epochs_.end() && found->second.conducted) {
      id = found->second.id;
    } else if (number < first_) {
      id = Over(number);
    } else if (id_waits_.size() == kMostIdWaits) {
      id = absl::ResourceExhaustedError(
          absl::StrCat(id_waits_.size(), " others wait for the ids of epochs"));
    } else {
      id_waits_.emplace(number, std::move(listener));
      return;
    }
  }
  listener->OnId(id);
}

void ConductorHost::StopWaiting(const IdListener* listener) {
  const MutexLock lock(mutex_);
  std::erase_if(id_waits_, [listener](const auto& wait) { return wait.second.get() == listener; });
}

}  // namespace sextant
