#include "tests/unit/common/exchange/ranks/simulated_control.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "common/base/check.h"

namespace sextant {

void SimulatedControl::Join(int process, bool attends, bool holds) {
  processes_[process] = {.attends = attends, .holds = holds};
  Reconsider();
}

void SimulatedControl::Drain(int process) {
  const auto found = processes_.find(process);
  if (found == processes_.end()) return;
  found->second.wanted = false;
  Reconsider();
}

void SimulatedControl::HearOfDeath(int process) {
  processes_.erase(process);
  halts_.erase(process);
  if (current_ != nullptr) {
    if (InCurrent(process)) {
      // Also what was prepared: it takes the old epoch to switch from.
      current_ = nullptr;
      prepared_ = nullptr;
      Halt(last_number_ + 1);
    } else {
      // It may have been in the epoch before, which somebody may not have left yet.
      Halt(current_->number());
    }
  }
  AbortIfHalted();
  Reconsider();
}

void SimulatedControl::Halt(std::uint64_t next) {
  if (aborts_at_once) return Tell(EndEpochsBefore{next});
  if (next <= halted_before_) return;
  halted_before_ = next;
  halting_ = true;
  halts_.clear();
  for (const auto& [id, process] : processes_) halts_.insert(id);
  Tell(HaltEpochsBefore{next});
}

void SimulatedControl::AbortIfHalted() {
  if (!halting_ || !halts_.empty()) return;
  halting_ = false;
  Tell(EndEpochsBefore{halted_before_});
}

void SimulatedControl::Hear(const SimulatedMessage& message) {
  if (const auto* prepared = std::get_if<EpochPrepared>(&message)) return HearPrepared(*prepared);
  HearHalted(std::get<EpochsHalted>(message));
}

void SimulatedControl::HearHalted(const EpochsHalted& halted) {
  if (halted.next != halted_before_) return;
  halts_.erase(halted.process);
  AbortIfHalted();
  Reconsider();
}

void SimulatedControl::HearPrepared(const EpochPrepared& prepared) {
  if (prepared_ == nullptr || prepared.epoch != prepared_->number()) return;
  answered_.insert(prepared.process);
  if (answered_.size() < prepared_->processes().size()) return;
  net_.Send(kControlPlane, current_->conductor(),
            SwitchEpoch{current_->number(), prepared_->number()});
  ++switches_;
  current_ = std::exchange(prepared_, nullptr);
  Reconsider();
}

bool SimulatedControl::Wanted(int process) const {
  const auto found = processes_.find(process);
  return found != processes_.end() && found->second.wanted;
}

void SimulatedControl::Reconsider() {
  if (halting_ && current_ == nullptr) return;  // they may enter what is prepared at once
  const SimulatedEpoch* newest = prepared_ != nullptr ? prepared_ : current_;
  if (newest != nullptr &&
      std::set<int>(newest->processes().begin(), newest->processes().end()) == WantedNow()) {
    return;
  }
  std::unique_ptr<SimulatedEpoch> next = Plan();
  if (next == nullptr) return;  // the present one goes on, if there is any
  if (prepared_ != nullptr) {
    // Given up. Those who were in no epoch before may have entered it.
    for (const int process : prepared_->processes()) {
      if (InCurrent(process)) continue;
      net_.Send(kControlPlane, process, EndEpochsBefore{next->number()});
    }
  }
  answered_.clear();
  (current_ == nullptr ? current_ : prepared_) = next.get();
  Prepare(*next);
  epochs_.emplace(next->number(), std::move(next));
}

std::unique_ptr<SimulatedEpoch> SimulatedControl::Plan() {
  const std::set<int> wanted = WantedNow();
  std::vector<int> ranks(wanted.begin(), wanted.end());
  for (std::size_t i = ranks.size(); i > 1; --i) {
    std::swap(ranks[i - 1], ranks[static_cast<std::size_t>(pick_(static_cast<int>(i)))]);
  }
  std::vector<RankRole> roles(ranks.size());
  std::vector<std::size_t> holders;
  bool attended = false;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    roles[rank].attends = processes_.at(ranks[rank]).attends;
    attended = attended || roles[rank].attends;
    if (processes_.at(ranks[rank]).holds) holders.push_back(rank);
  }
  if (!attended || holders.empty()) return nullptr;
  // Neighbours together, so that rows that choose them overflow; some have a copy elsewhere.
  const bool copies = pick_(3) == 0;
  for (std::int32_t expert = 0; expert < kSimulatedExperts; ++expert) {
    const std::size_t at = static_cast<std::size_t>(expert) * holders.size() / kSimulatedExperts;
    roles[holders[at]].experts.push_back(expert);
    const std::size_t other = (at + 1) % holders.size();
    if (copies && other != at && pick_(4) == 0) roles[holders[other]].experts.push_back(expert);
  }
  auto layout = RankLayout::Make(kSimulatedExperts, std::move(roles));
  CHECK(layout.ok());
  return std::make_unique<SimulatedEpoch>(++last_number_, *std::move(layout), std::move(ranks));
}

std::set<int> SimulatedControl::WantedNow() const {
  std::set<int> wanted;
  for (const auto& [id, process] : processes_) {
    if (process.wanted) wanted.insert(id);
  }
  return wanted;
}

void SimulatedControl::Tell(const SimulatedMessage& message) {
  for (const auto& [id, process] : processes_) net_.Send(kControlPlane, id, message);
}

void SimulatedControl::Prepare(const SimulatedEpoch& epoch) {
  for (const int process : epoch.processes()) {
    net_.Send(kControlPlane, process, PrepareEpoch{epoch.number()});
  }
}

}  // namespace sextant
