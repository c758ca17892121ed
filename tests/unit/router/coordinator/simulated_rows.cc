#include "tests/unit/router/coordinator/simulated_rows.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/exchange/holder_table.h"

namespace sextant {
namespace {

constexpr int kChoices = 2;
constexpr int kMostTokens = 3;
constexpr std::size_t kMostLate = 20;

}  // namespace

SimulatedWorker* SimulatedRows::Find(const std::string& id) {
  const auto found = cluster_.workers().find(id);
  return found == cluster_.workers().end() ? nullptr : &found->second;
}

std::string SimulatedRows::NameOf(const Sender& sender, HolderId holder) {
  for (const auto& [name, id] : sender.ids) {
    if (id == holder) return name;
  }
  return "";
}

// Senders that are gone; a process of the same name is another one.
void SimulatedRows::DropDead() {
  for (auto it = senders_.begin(); it != senders_.end();) {
    const SimulatedWorker* worker = Find(it->first);
    const bool is_gone = worker == nullptr || worker->over.has_value();
    it = is_gone ? senders_.erase(it) : std::next(it);
  }
}

void SimulatedRows::Step() {
  DropDead();
  std::vector<SimulatedWorker*> attention;
  for (auto& [id, worker] : cluster_.workers()) {
    if (!worker.is_expert() && worker.committed.epoch() != 0 && !worker.frozen &&
        !worker.over.has_value()) {
      attention.push_back(&worker);
    }
  }
  const int kind = pick_(8);
  if (kind < 3 && !attention.empty()) {
    SimulatedWorker& worker =
        *attention[static_cast<std::size_t>(pick_(static_cast<int>(attention.size())))];
    const std::string& id = worker.hello.worker_id();
    Sender& sender = senders_[id];
    UseCommitted(worker, sender);
    if (!sender.under_way) Begin(sender);
    SendUnsent(id, sender);
  } else if (kind == 3 && !late_.empty()) {
    Deliver(late_[static_cast<std::size_t>(pick_(static_cast<int>(late_.size())))]);
  } else if (!wire_.empty()) {
    // Frames overtake each other only between streams; taking any one is harsher than that.
    const auto at = wire_.begin() + pick_(static_cast<int>(wire_.size()));
    Frame frame = *at;
    wire_.erase(at);
    Deliver(std::move(frame));
  }
}

void SimulatedRows::Begin(Sender& sender) {
  const int tokens = 1 + pick_(kMostTokens);
  sender.experts.clear();
  for (int i = 0; i < tokens; ++i) {
    const int first = pick_(cluster_.num_experts);
    sender.experts.push_back(first);
    sender.experts.push_back((first + 1 + pick_(cluster_.num_experts - 1)) % cluster_.num_experts);
  }
  sender.applied.assign(sender.experts.size(), 0);
  sender.ledger.Begin({sender.experts.data(), tokens, kChoices}, {.max_pairs = 64});
  sender.under_way = true;
}

void SimulatedRows::UseCommitted(const SimulatedWorker& worker, Sender& sender) {
  if (worker.committed.epoch() == sender.table.epoch) return;
  auto table = MakeHolderTable(worker.committed, cluster_.num_experts,
                               [&sender](const v1::PlacedWorker& placed) {
                                 const auto next = static_cast<HolderId>(sender.ids.size() + 1);
                                 return sender.ids.emplace(placed.worker_id(), next).first->second;
                               });
  if (!table.ok()) {
    violations_.push_back(absl::StrCat("a placement makes no sense: ", table.status().ToString()));
    return;
  }
  sender.table = *std::move(table);
  resent_ += sender.ledger.TakeBackFromOthersThan(sender.table);
}

void SimulatedRows::SendUnsent(const std::string& id, Sender& sender) {
  // A stream to a dead process is broken; one to a frozen process is not.
  const auto usable = [&](HolderId holder) { return Find(NameOf(sender, holder)) != nullptr; };
  for (const HolderId holder : sender.table.holders) {
    if (!usable(holder)) resent_ += sender.ledger.TakeBackFrom(holder);
  }
  for (const Shipment* shipment : sender.ledger.Plan(sender.table, usable)) {
    Frame frame{.sender = id,
                .holder = NameOf(sender, shipment->holder),
                .number = shipment->number,
                .slots = shipment->slots};
    for (const std::int32_t slot : shipment->slots) {
      frame.experts.push_back(sender.experts[static_cast<std::size_t>(slot)]);
    }
    wire_.push_back(std::move(frame));
  }
}

void SimulatedRows::Deliver(Frame frame) {
  if (frame.is_answer) {
    const auto sender = senders_.find(frame.sender);
    if (sender == senders_.end()) return;
    if (late_.size() == kMostLate) late_.pop_front();
    late_.push_back(frame);
    Answer(sender->second, frame);
    return;
  }
  SimulatedWorker* holder = Find(frame.holder);
  if (holder == nullptr) return;  // lost with it
  if (holder->frozen) {
    wire_.push_back(std::move(frame));
    return;
  }
  frame.is_answer = true;
  frame.refused = !std::all_of(frame.experts.begin(), frame.experts.end(),
                               [&](int expert) { return holder->held.contains(expert); });
  wire_.push_back(std::move(frame));
}

void SimulatedRows::Answer(Sender& sender, const Frame& frame) {
  const Shipment* shipment = sender.ledger.Find(frame.number);
  const bool is_waited_for =
      shipment != nullptr && NameOf(sender, shipment->holder) == frame.holder;
  if (!is_waited_for && !(apply_stale_answers && !frame.refused)) return;
  if (frame.refused) {
    resent_ += sender.ledger.TakeBack(frame.number);
    return;
  }
  for (const std::int32_t slot : frame.slots) {
    if (static_cast<std::size_t>(slot) >= sender.applied.size()) continue;
    if (++sender.applied[static_cast<std::size_t>(slot)] > 1) {
      violations_.push_back(absl::StrCat(frame.sender, " has applied row ", slot, " twice"));
    }
  }
  if (is_waited_for) sender.ledger.Settle(frame.number);
  EndIfDone(sender);
}

void SimulatedRows::EndIfDone(Sender& sender) {
  if (!sender.under_way || !sender.ledger.done()) return;
  sender.under_way = false;
  ++dispatches_;
  if (std::count(sender.applied.begin(), sender.applied.end(), 1) !=
      static_cast<std::ptrdiff_t>(sender.applied.size())) {
    violations_.emplace_back("a dispatch has ended without an answer to every row");
  }
}

void SimulatedRows::Settle() {
  DropDead();
  // Refused rows go round until the newest placement has arrived everywhere; it has, when this is
  // called, so that few rounds are enough.
  for (int round = 0; round < 10; ++round) {
    for (auto& [id, sender] : senders_) {
      UseCommitted(*Find(id), sender);
      SendUnsent(id, sender);
    }
    for (std::size_t left = 4 * wire_.size(); left > 0 && !wire_.empty(); --left) {
      Frame frame = wire_.front();
      wire_.pop_front();
      Deliver(std::move(frame));
    }
  }
}

void SimulatedRows::CheckEnded() {
  for (const auto& [id, sender] : senders_) {
    if (sender.under_way) violations_.push_back(absl::StrCat(id, " waits for rows in the end"));
  }
}

}  // namespace sextant
