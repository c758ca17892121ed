#include "tests/unit/common/exchange/ranks/simulated_step.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace sextant {
namespace {

// splitmix64 (Steele, Lea and Flood, 2014): one step of it.
std::uint64_t Mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

constexpr std::uint64_t kGarbage = 0x0badf00d;  // no output is that

std::uint64_t Key(int layer, std::int32_t expert) {
  return Mix(static_cast<std::uint64_t>(layer * kSimulatedExperts + expert));
}

std::array<std::int32_t, kSimulatedChosen> ChosenOf(std::uint64_t row, int layer) {
  constexpr std::array<std::int32_t, 4> kStrides{1, 5, 7, 11};  // prime to the number of experts
  const std::uint64_t random = Mix(row ^ Key(layer, -1));
  const bool hot = (row & kHotRow) != 0;
  auto expert = hot ? 0 : static_cast<std::int32_t>(random % kSimulatedExperts);
  const std::int32_t stride = hot ? 1 : kStrides[random >> 62];
  std::array<std::int32_t, kSimulatedChosen> chosen;
  for (std::int32_t& one : chosen) {
    one = expert;
    expert = (expert + stride) % kSimulatedExperts;
  }
  return chosen;
}

std::uint64_t OutputOf(std::uint64_t row, int layer, std::int32_t expert) {
  return Mix(row ^ Key(layer, expert));
}

// The order of the outputs counts.
std::uint64_t Combined(std::uint64_t row, const std::array<std::uint64_t, kSimulatedChosen>& outs) {
  std::uint64_t sum = row;
  for (const std::uint64_t out : outs) sum = sum * 31 + out;
  return (row & kHotRow) | (Mix(sum) & ~kHotRow);
}

}  // namespace

std::uint64_t ComputeAlone(std::uint64_t row) {
  for (int layer = 0; layer < kSimulatedLayers; ++layer) {
    std::array<std::uint64_t, kSimulatedChosen> outs;
    const auto chosen = ChosenOf(row, layer);
    for (std::size_t k = 0; k < outs.size(); ++k) outs[k] = OutputOf(row, layer, chosen[k]);
    row = Combined(row, outs);
  }
  return row;
}

SimulatedEpoch::SimulatedEpoch(std::uint64_t number, RankLayout layout, std::vector<int> processes)
    : number_(number), layout_(std::move(layout)), processes_(std::move(processes)) {
  CHECK_EQ(static_cast<int>(processes_.size()), layout_.size());
  for (std::size_t a = 0; a < layout_.attention_ranks().size(); ++a) {
    seats_.push_back(layout_.SeatsFor(static_cast<int>(a)));
  }
  boxes_.resize(processes_.size() * processes_.size());
}

int SimulatedEpoch::RankOf(int process) const {
  const auto found = std::find(processes_.begin(), processes_.end(), process);
  return found == processes_.end() ? -1 : static_cast<int>(found - processes_.begin());
}

int SimulatedEpoch::AttentionOf(int process) const {
  const auto ranks = layout_.attention_ranks();
  const auto found = std::find(ranks.begin(), ranks.end(), RankOf(process));
  return found == ranks.end() ? -1 : static_cast<int>(found - ranks.begin());
}

int SimulatedEpoch::conductor() const {
  return processes_[static_cast<std::size_t>(layout_.attention_ranks().front())];
}

SimulatedStep::SimulatedStep(SimulatedEpoch& epoch, int rank, const RankStep& step,
                             std::vector<std::uint64_t> rows, std::vector<std::string>& violations)
    : epoch_(epoch),
      rank_(rank),
      role_(epoch.layout().role(rank)),
      attention_(epoch.AttentionOf(epoch.processes()[static_cast<std::size_t>(rank)])),
      step_(step),
      rows_(std::move(rows)),
      violations_(violations) {
  const bool fits = static_cast<std::int64_t>(rows_.size()) <= step_.slot_rows;
  if (!fits) Complain(absl::StrCat(rows_.size(), " rows for slots of ", step_.slot_rows));
  if (!role_.attends && !rows_.empty()) Complain("has rows and does not attend");
}

bool SimulatedStep::Advance() {
  CHECK(!finished());
  switch (phase_) {
    case Phase::kSend:
      if (role_.attends) Send();
      phase_ = role_.experts.empty() ? Phase::kCombine : Phase::kCompute;
      return true;
    case Phase::kCompute:
      if (!Compute()) return false;
      break;
    case Phase::kCombine:
      if (!Combine()) return false;
      break;
  }
  if (phase_ == Phase::kCompute && role_.attends) {
    phase_ = Phase::kCombine;
  } else {
    ++layer_;
    phase_ = Phase::kSend;
  }
  return true;
}

void SimulatedStep::RunOut() {
  for (; !finished(); ++layer_, phase_ = Phase::kSend) {
    if (phase_ == Phase::kSend && role_.attends) {
      LeaveGarbage(epoch_.layout().expert_ranks(), false);
    }
    if (phase_ != Phase::kCombine && !role_.experts.empty()) {
      LeaveGarbage(epoch_.layout().attention_ranks(), true);
    }
  }
}

void SimulatedStep::LeaveGarbage(absl::Span<const int> ranks, bool outputs) {
  for (const int to : ranks) {
    Packet packet = Empty(outputs);
    packet.garbage = true;
    epoch_.Box(rank_, to).push_back(std::move(packet));
  }
}

void SimulatedStep::Send() {
  const auto experts = epoch_.layout().expert_ranks();
  std::vector<Packet> packets(experts.size(), Empty(false));
  std::vector<std::int32_t> pairs(experts.size());
  const std::vector<ExpertSeat>& seats = epoch_.seats_[static_cast<std::size_t>(attention_)];
  places_.resize(rows_.size());
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    const Chosen chosen = ChosenOf(rows_[row], layer_);
    std::uint64_t sent_to = 0;  // bits
    for (std::size_t k = 0; k < chosen.size(); ++k) {
      const ExpertSeat seat = seats[static_cast<std::size_t>(chosen[k])];
      const auto d = static_cast<std::size_t>(seat.destination);
      Packet& packet = packets[d];
      if ((sent_to >> d & 1U) == 0) {
        sent_to |= std::uint64_t{1} << d;
        packet.values.push_back(rows_[row]);
        packet.locals.resize(packet.values.size() * kSimulatedChosen, -1);
      }
      packet.locals[(packet.values.size() - 1) * kSimulatedChosen + k] = seat.local;
      const bool fits = step_.form == RankStepForm::kExact || pairs[d] < step_.slot_pairs;
      overflowed_ = overflowed_ || !fits;
      places_[row][k] = {seat.destination, fits ? pairs[d]++ : -1};
    }
  }
  for (std::size_t d = 0; d < packets.size(); ++d) {
    epoch_.Box(rank_, experts[d]).push_back(std::move(packets[d]));
  }
}

bool SimulatedStep::Compute() {
  const auto sources = epoch_.layout().attention_ranks();
  if (!Receive(sources, false)) return false;
  for (std::size_t a = 0; a < sources.size(); ++a) {
    const Packet& packet = received_[a];
    Packet answer = Empty(true);
    answer.garbage = packet.garbage;
    for (std::size_t i = 0; i < packet.locals.size(); ++i) {
      const std::int32_t local = packet.locals[i];
      if (local < 0) continue;
      if (step_.form == RankStepForm::kSlots &&
          static_cast<std::int64_t>(answer.values.size()) == step_.slot_pairs) {
        break;
      }
      if (local >= static_cast<std::int32_t>(role_.experts.size())) {
        Complain(absl::StrCat("has no expert of its own ", local));
        continue;
      }
      answer.values.push_back(OutputOf(packet.values[i / kSimulatedChosen], layer_,
                                       role_.experts[static_cast<std::size_t>(local)]));
    }
    epoch_.Box(rank_, sources[a]).push_back(std::move(answer));
  }
  return true;
}

bool SimulatedStep::Combine() {
  if (!Receive(epoch_.layout().expert_ranks(), true)) return false;
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    std::array<std::uint64_t, kSimulatedChosen> outs{};
    for (std::size_t k = 0; k < outs.size(); ++k) {
      const Place place = places_[row][k];
      if (place.pair < 0) continue;
      const Packet& packet = received_[static_cast<std::size_t>(place.destination)];
      if (packet.garbage) {
        outs[k] = kGarbage;
        continue;
      }
      if (place.pair >= static_cast<std::int32_t>(packet.values.size())) {
        Complain(absl::StrCat("misses output ", place.pair));
        continue;
      }
      outs[k] = packet.values[static_cast<std::size_t>(place.pair)];
    }
    rows_[row] = Combined(rows_[row], outs);
  }
  return true;
}

bool SimulatedStep::Receive(absl::Span<const int> ranks, bool outputs) {
  for (const int from : ranks) {
    if (epoch_.Box(from, rank_).empty()) return false;
  }
  received_.clear();
  for (const int from : ranks) {
    auto& box = epoch_.Box(from, rank_);
    received_.push_back(std::move(box.front()));
    box.erase(box.begin());
    const Packet& packet = received_.back();
    garbled_ = garbled_ || packet.garbage;
    if (packet.step != step_ || packet.layer != layer_ || packet.outputs != outputs) {
      Complain(absl::StrCat("gets step ", packet.step.number, " layer ", packet.layer, " of rank ",
                            from, ", mixed up"));
    }
  }
  return true;
}

SimulatedStep::Packet SimulatedStep::Empty(bool outputs) const {
  Packet packet;
  packet.step = step_;
  packet.layer = layer_;
  packet.outputs = outputs;
  return packet;
}

void SimulatedStep::Complain(const std::string& what) {
  violations_.push_back(absl::StrCat("epoch ", epoch_.number(), " rank ", rank_, " step ",
                                     step_.number, " layer ", layer_, ": ", what));
}

}  // namespace sextant
