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
  const int destination = IndexOf(layout.expert_ranks(), rank);
  if ((IndexOf(layout.attention_ranks(), rank) >= 0) != (parts_.sender != nullptr) ||
      (destination >= 0) != (parts_.host != nullptr)) {
    return absl::InvalidArgumentError(absl::StrCat("rank ", rank, " has another role in epoch ",
                                                   epoch.epoch, " than it was made for"));
  }
  if (parts_.sender != nullptr) RETURN_IF_ERROR(parts_.sender->Check(layout));
  return parts_.host != nullptr ? parts_.host->Check(layout, destination) : absl::OkStatus();
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
  // Waits for what is on the stream, which EndBefore can abort until then.
  entered_ = UseLayout(*membership);
  DropGraphs();
  epoch_.emplace(*std::move(membership));
  epochs_.LeaveBefore(epoch);
}

void RankExchange::Leave(std::uint64_t next) {
  entered_ = parts_.stream.Synchronize();
  DropGraphs();
  epoch_.reset();
  epochs_.LeaveBefore(next);
}

void RankExchange::DropGraphs() {
  if (drop_graphs_ != nullptr) drop_graphs_();
  graphs_.clear();
}

absl::Status RankExchange::UseLayout(const RankMembership& epoch) {
  RETURN_IF_ERROR(parts_.stream.Synchronize());
  const RankLayout& layout = epoch.layout;
  const int rank = epoch.communicator->rank();
  if (parts_.host != nullptr) {
    RETURN_IF_ERROR(parts_.host->Use(layout, IndexOf(layout.expert_ranks(), rank)));
  }
  if (parts_.sender == nullptr) return absl::OkStatus();
  return parts_.sender->Use(layout, IndexOf(layout.attention_ranks(), rank));
}

}  // namespace sextant
