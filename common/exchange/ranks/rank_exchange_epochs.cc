// How RankExchange goes from one epoch to the next.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/exchange/ranks/rank_exchange.h"

namespace sextant {
namespace {

// Which of `ranks` is `rank`; -1 if none.
int IndexOf(absl::Span<const int> ranks, int rank) {
  const auto found = std::find(ranks.begin(), ranks.end(), rank);
  return found == ranks.end() ? -1 : static_cast<int>(found - ranks.begin());
}

}  // namespace

absl::Status RankExchange::CheckMembership(const RankMembership& epoch) const {
  const RankLayout& layout = epoch.layout;
  if (layout.size() > parts_.most_ranks) {
    return absl::InvalidArgumentError(
        absl::StrCat(layout.size(), " ranks; there is room for ", parts_.most_ranks));
  }
  if (layout.size() != epoch.communicator->size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(layout.size(), " ranks with a communicator of ", epoch.communicator->size()));
  }
  const int rank = epoch.communicator->rank();
  const int attention = IndexOf(layout.attention_ranks(), rank);
  const int destination = IndexOf(layout.expert_ranks(), rank);
  if ((attention >= 0 && parts_.sender == nullptr) ||
      (destination >= 0 && parts_.host == nullptr)) {
    return absl::InvalidArgumentError(absl::StrCat("rank ", rank, " has another role in epoch ",
                                                   epoch.epoch, " than it was made for"));
  }
  if (attention >= 0) RETURN_IF_ERROR(parts_.sender->Check(layout));
  return destination >= 0 ? parts_.host->Check(layout, destination) : absl::OkStatus();
}

absl::Status RankExchange::Prepare(RankMembership membership) {
  RETURN_IF_ERROR(CheckMembership(membership));
  const RankLayout& layout = membership.layout;
  const int attention = IndexOf(layout.attention_ranks(), membership.communicator->rank());
  const RankEpoch epoch = {
      .number = membership.epoch,
      .attention_ranks = static_cast<int>(layout.attention_ranks().size()),
      .attention = attention >= 0 ? std::optional<int>(attention) : std::nullopt};
  RETURN_IF_ERROR(epochs_.Prepare(std::move(membership)));
  gate_.Prepare(epoch);
  return absl::OkStatus();
}

void RankExchange::Halt(std::uint64_t next) {
  epochs_.Halt(next);
  gate_.EndBefore(next);
}

void RankExchange::EndBefore(std::uint64_t next) {
  Halt(next);
  epochs_.EndBefore(next);
}

void RankExchange::Enter(std::uint64_t epoch) {
  std::optional<RankMembership> membership = epochs_.Enter(epoch);
  if (!membership.has_value()) {
    // It has been halted between the gate's word and now.
    Leave(epoch);
    entered_.Update(absl::UnavailableError("the epoch is over"));
    return;
  }
  entered_ = LetGo();
  if (entered_.ok()) entered_ = UseLayout(*membership);
  epoch_.emplace(*std::move(membership));
  epochs_.LeaveBefore(epoch);
}

void RankExchange::Leave(std::uint64_t next) {
  entered_ = LetGo();
  epochs_.LeaveBefore(next);
}

absl::Status RankExchange::LetGo() {
  // EndBefore can abort what is waited for.
  const absl::Status passed = parts_.stream.Synchronize();
  for (Ended& step : ended_) {
    if (step.communicator == nullptr) continue;
    step.health = passed.ok() ? epochs_.CheckHealth(step.epoch, *step.communicator) : passed;
    step.communicator = nullptr;
  }
  if (drop_graphs_ != nullptr) drop_graphs_();
  graphs_.clear();
  epoch_.reset();
  return passed;
}

absl::Status RankExchange::UseLayout(const RankMembership& epoch) {
  const RankLayout& layout = epoch.layout;
  const int attention = IndexOf(layout.attention_ranks(), epoch.communicator->rank());
  const int destination = IndexOf(layout.expert_ranks(), epoch.communicator->rank());
  sender_ = attention >= 0 ? parts_.sender : nullptr;
  host_ = destination >= 0 ? parts_.host : nullptr;
  if (host_ != nullptr) RETURN_IF_ERROR(host_->Use(layout, destination));
  return sender_ != nullptr ? sender_->Use(layout, attention) : absl::OkStatus();
}

}  // namespace sextant
