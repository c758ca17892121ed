#include "tests/unit/common/exchange/ranks/simulated_ranks.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/device/graph_rows.h"

namespace sextant {
namespace {

template <typename... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <typename... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

// Far more than any history needs to come to rest.
constexpr int kForEver = 200000;

}  // namespace

void SimulatedRanks::Join(bool attends, bool holds) {
  processes_.emplace_back(limits_, attends, holds, attends && pick_(2) == 0);
  control_.Join(processes() - 1, attends, holds);
}

void SimulatedRanks::Drain(int process) {
  ++counts_["drains"];
  control_.Drain(process);
}

void SimulatedRanks::Kill(int process) {
  Process& dead = At(process);
  dead.alive = false;
  ++counts_["deaths"];
  const auto& walk = dead.stream.empty() ? std::nullopt : dead.stream.front().walk;
  if (walk.has_value() && walk->begun() && !walk->finished()) ++counts_["deaths inside a layer"];
  net_.LoseSome(process, pick_);
  unnoticed_.push_back(process);
}

bool SimulatedRanks::NoticeDeath() {
  if (unnoticed_.empty()) return false;
  const auto chosen = unnoticed_.begin() + pick_(static_cast<int>(unnoticed_.size()));
  const int process = *chosen;
  unnoticed_.erase(chosen);
  control_.aborts_at_once = bug == PlantedBug::kAbortAtOnce;
  control_.HearOfDeath(process);
  return true;
}

void SimulatedRanks::Arrive(bool hot, int prompt, int generated) {
  homeless_.push_back(sequences_.size());
  sequences_.emplace_back(static_cast<int>(sequences_.size()), hot, prompt, generated);
  static_cast<void>(MoveSequences());
}

// Also away from those who are gone.
bool SimulatedRanks::MoveSequences() {
  std::vector<int> homes;
  for (int id = 0; id < processes(); ++id) {
    Process& process = At(id);
    if (control_.Wanted(id) && process.attends) homes.push_back(id);
    const bool known_dead =
        !process.alive && std::count(unnoticed_.begin(), unnoticed_.end(), id) == 0;
    const bool gone = process.alive && !control_.Wanted(id) && !control_.InCurrent(id) &&
                      process.pace.turn() == Turn::kOut && process.stream.empty();
    if (!known_dead && !gone) continue;
    homeless_.insert(homeless_.end(), process.sequences.begin(), process.sequences.end());
    process.sequences.clear();
    process.batch = {};
  }
  if (homes.empty() || homeless_.empty()) return false;
  for (const std::size_t sequence : homeless_) {
    const int home = homes[static_cast<std::size_t>(pick_(static_cast<int>(homes.size())))];
    At(home).sequences.push_back(sequence);
  }
  homeless_.clear();
  return true;
}

int SimulatedRanks::wanted() const {
  int count = 0;
  for (int id = 0; id < processes(); ++id) count += control_.Wanted(id) ? 1 : 0;
  return count;
}

bool SimulatedRanks::HasWanted(bool attends) const {
  for (int id = 0; id < processes(); ++id) {
    if (control_.Wanted(id) && (attends ? At(id).attends : At(id).holds)) return true;
  }
  return false;
}

bool SimulatedRanks::Deliver() {
  if (net_.idle()) return false;
  const SimulatedNet::Arrival arrival = net_.Deliver(pick_);
  if (arrival.to == kControlPlane) {
    control_.Hear(arrival.message);
  } else if (At(arrival.to).alive) {
    Hear(arrival.to, arrival.message);
  }
  return true;
}

void SimulatedRanks::Hear(int to, const SimulatedMessage& message) {
  Process& process = At(to);
  std::visit(Overloaded{[&](const StepOffer& offer) {
                          BroadcastIfBegun(to, process.conductors.Hear(offer));
                        },
                        [&](const StepCall& call) {
                          StepCall heard = call;
                          if (bug == PlantedBug::kMixEpochs) heard.epoch = process.pace.epoch();
                          Require(process.pace.Hear(heard));
                        },
                        [&](const LastStep& last) { Require(process.pace.Hear(last)); },
                        [&](const PrepareEpoch& prepare) { Prepare(to, prepare.epoch); },
                        [&](const EpochPrepared&) { Require(false, "an answer to nobody"); },
                        [&](const EpochsHalted&) { Require(false, "an answer to nobody"); },
                        [&](const HaltEpochsBefore& halt) {
                          Halt(to, halt.next);
                          net_.Send(to, kControlPlane, EpochsHalted{halt.next, to});
                        },
                        [&](const EndEpochsBefore& end) { EndBefore(to, end.next); },
                        [&](const SwitchEpoch& change) {
                          const auto last = process.conductors.Switch(change.epoch, change.next);
                          if (last.has_value()) Broadcast(to, *last);
                        }},
             message);
}

void SimulatedRanks::Prepare(int to, std::uint64_t number) {
  Process& process = At(to);
  const SimulatedEpoch& epoch = control_.epoch(number);
  const RankLayout& layout = epoch.layout();
  const int attention = epoch.AttentionOf(to);
  const int attention_ranks = static_cast<int>(layout.attention_ranks().size());
  process.pace.Prepare({.number = number,
                        .attention_ranks = attention_ranks,
                        .attention = attention >= 0 ? std::optional(attention) : std::nullopt});
  if (epoch.conductor() == to) {
    BroadcastIfBegun(to, process.conductors.Conduct(
                             {.number = number,
                              .attention_ranks = attention_ranks,
                              .expert_ranks = static_cast<int>(layout.expert_ranks().size())}));
  }
  net_.Send(to, kControlPlane, EpochPrepared{number, to});
}

void SimulatedRanks::Halt(int to, std::uint64_t next) {
  Process& process = At(to);
  process.halted_before = std::max(process.halted_before, next);
  // The engine may notice first that no step counts any more.
  for (int i = pick_(4); i > 0; --i) static_cast<void>(RunEngine(to));
  process.conductors.EndBefore(next);
  process.pace.EndBefore(next);
}

void SimulatedRanks::EndBefore(int to, std::uint64_t next) {
  Halt(to, next);
  At(to).aborted_before = std::max(At(to).aborted_before, next);
}

void SimulatedRanks::BroadcastIfBegun(int from,
                                      const absl::StatusOr<std::optional<StepCall>>& begun) {
  Require(begun.status());
  if (begun.ok() && begun->has_value()) Broadcast(from, **begun);
}

void SimulatedRanks::Broadcast(int from, const StepCall& call) {
  const std::string name = absl::StrCat("step ", call.step.number, " of epoch ", call.epoch);
  Require(called_.emplace(StepName(call.epoch, call.step.number), call).second,
          absl::StrCat(name, " begins twice"));
  Require(!last_steps_.contains(call.epoch), absl::StrCat(name, " begins after the last"));
  const std::int64_t most = *std::max_element(call.rows.begin(), call.rows.end());
  Require(most > 0, absl::StrCat(name, " begins for nobody"));
  if (call.step.form == RankStepForm::kSlots && most > 0) {
    Require(most <= limits_.most_slot_rows &&
                call.step.slot_rows == GraphRows(most, limits_.most_slot_rows),
            absl::StrCat(name, " has slots of ", call.step.slot_rows, " for ", most));
  }
  ++counts_[call.step.form == RankStepForm::kSlots ? "steps in slots" : "exact steps"];
  if (most == limits_.most_slot_rows) ++counts_["full slots"];
  for (const int to : control_.epoch(call.epoch).processes()) net_.Send(from, to, call);
}

void SimulatedRanks::Broadcast(int from, const LastStep& last) {
  last_steps_[last.epoch] = last.step;
  ++counts_["switches"];
  for (const int to : control_.epoch(last.epoch).processes()) net_.Send(from, to, last);
}

void SimulatedRanks::Settle() {
  while (NoticeDeath()) {
  }
  if (!HasWanted(true) || !HasWanted(false)) Join(true, true);
  int left = kForEver;
  for (bool busy = true; busy && left > 0;) {
    busy = MoveSequences();
    for (; Deliver() && left > 0; --left) busy = true;
    for (int id = 0; id < processes(); ++id) {
      for (; RunEngine(id) && left > 0; --left) busy = true;
    }
  }
  Require(left > 0, "there is no end");
  for (int id = 0; id < processes(); ++id) {
    const Process& process = At(id);
    if (!process.alive) continue;
    const Turn rest = control_.InCurrent(id) ? Turn::kWait : Turn::kOut;
    Require(process.pace.turn() == rest && process.stream.empty(),
            absl::StrCat("process ", id, " is not at rest"));
  }
  // Nobody has anything to do, and nobody hears or says anything.
  const std::int64_t sent = net_.sent();
  for (int id = 0; id < processes(); ++id) {
    Require(!RunEngine(id), absl::StrCat("process ", id, " has nothing to do and does it"));
  }
  Require(net_.idle() && net_.sent() == sent, "an idle cluster talks");
  for (std::size_t id = 0; id < sequences_.size(); ++id) {
    const std::string problem = sequences_[id].Problem();
    Require(problem.empty(), absl::StrCat("sequence ", id, ": ", problem));
  }
}

void SimulatedRanks::Require(bool holds, const std::string& what) {
  if (!holds) violations_.push_back(what);
}

}  // namespace sextant
