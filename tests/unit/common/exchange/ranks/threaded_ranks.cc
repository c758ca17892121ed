#include "tests/unit/common/exchange/ranks/threaded_ranks.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/unit/common/exchange/ranks/threaded_rank.h"

namespace sextant {
namespace {

// Of a test that fails: a history takes milliseconds.
constexpr std::chrono::seconds kPatience{60};

}  // namespace

ThreadedRanks::ThreadedRanks(const ConductedLimits& limits, std::uint64_t seed, MakeWire make_wire)
    : limits_(limits), make_wire_(std::move(make_wire)), random_(seed), control_(net_, Pick()) {
  carrier_ = std::thread([this] { CarryMessages(); });
}

ThreadedRanks::~ThreadedRanks() {
  {
    const Lock lock(mutex_);
    stopping_ = true;
    for (const auto& rank : ranks_) rank->alive = false;
  }
  changed_.notify_all();
  carrier_.join();
  for (const auto& rank : ranks_) rank->gate.Stop();
  for (const auto& rank : ranks_) rank->Join();
  for (const auto& rank : ranks_) rank->StopWire();
}

SimulatedNet::Pick ThreadedRanks::Pick() {
  return [this](int bound) { return std::uniform_int_distribution<int>(0, bound - 1)(random_); };
}

void ThreadedRanks::Join(bool attends, bool holds) {
  const Lock lock(mutex_);
  ranks_.push_back(std::make_unique<ThreadedRank>(*this, processes(), attends, holds));
  ThreadedRank& joined = *ranks_.back();
  control_.Join(joined.id, attends, holds);
  PlaceSequences();
  joined.Start();
  changed_.notify_all();
}

void ThreadedRanks::Drain(int process) {
  ThreadedRank& rank = *ranks_[static_cast<std::size_t>(process)];
  const Lock lock(mutex_);
  rank.draining = true;  // its thread gives its sequences away
  control_.Drain(process);
  rank.gate.Wake();
  changed_.notify_all();
}

void ThreadedRanks::Kill(int process) {
  ThreadedRank& rank = *ranks_[static_cast<std::size_t>(process)];
  rank.StopWire();
  const Lock lock(mutex_);
  if (!rank.alive) return;
  rank.alive = false;
  net_.LoseSome(process, Pick());
  control_.HearOfDeath(process);
  TakeSequencesFrom(rank);
  rank.gate.Stop();
  changed_.notify_all();
}

void ThreadedRanks::Arrive(bool hot, int prompt, int generated) {
  const Lock lock(mutex_);
  homeless_.push_back(sequences_.size());
  sequences_.emplace_back(static_cast<int>(sequences_.size()), hot, prompt, generated);
  PlaceSequences();
}

void ThreadedRanks::Reconnect() {
  const Lock lock(mutex_);
  if (make_wire_ != nullptr) {
    return ranks_[static_cast<std::size_t>(Pick()(processes()))]->BreakWire();
  }
  net_.Reconnect(Pick());
  changed_.notify_all();
}

void ThreadedRanks::TakeSequencesFrom(ThreadedRank& rank) {
  homeless_.insert(homeless_.end(), rank.sequences.begin(), rank.sequences.end());
  rank.sequences.clear();
  PlaceSequences();
}

void ThreadedRanks::PlaceSequences() {
  std::vector<ThreadedRank*> homes;
  for (const auto& rank : ranks_) {
    if (rank->attends && control_.Wanted(rank->id)) homes.push_back(rank.get());
  }
  if (homes.empty()) return;
  for (const std::size_t sequence : homeless_) {
    ThreadedRank& home = *homes[static_cast<std::size_t>(Pick()(static_cast<int>(homes.size())))];
    home.sequences.push_back(sequence);
    home.gate.Wake();
  }
  homeless_.clear();
}

bool ThreadedRanks::CanCompute() {
  const Lock lock(mutex_);
  return CanComputeNow();
}

bool ThreadedRanks::CanComputeNow() const {
  bool attended = false;
  bool held = false;
  for (const auto& rank : ranks_) {
    if (!control_.Wanted(rank->id)) continue;
    attended = attended || rank->attends;
    held = held || rank->holds;
  }
  return attended && held;
}

bool ThreadedRanks::AllDone() const {
  return std::all_of(sequences_.begin(), sequences_.end(),
                     [](const SimulatedSequence& sequence) { return sequence.done(); });
}

bool ThreadedRanks::WaitForResults(int more) {
  Lock lock(mutex_);
  const int wanted = results_ + more;
  return changed_.wait_for(lock, kPatience, [&] {
    return results_ >= wanted || AllDone() || !CanComputeNow() || !violations_.empty();
  });
}

std::vector<std::string> ThreadedRanks::Problems() {
  const Lock lock(mutex_);
  std::vector<std::string> all = violations_;
  for (std::size_t id = 0; id < sequences_.size(); ++id) {
    const std::string problem = sequences_[id].Problem();
    if (!problem.empty()) all.push_back(absl::StrCat("sequence ", id, ": ", problem));
  }
  return all;
}

std::map<std::string, int> ThreadedRanks::Counts() {
  const Lock lock(mutex_);
  std::map<std::string, int> counts = counts_;
  counts["switches"] = control_.switches();
  return counts;
}

void ThreadedRanks::Broadcast(int from, std::uint64_t epoch, const SimulatedMessage& message) {
  for (const int to : control_.epoch(epoch).processes()) net_.Send(from, to, message);
  changed_.notify_all();
}

void ThreadedRanks::CarryMessages() {
  Lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !net_.idle(); });
    if (stopping_) return;
    const SimulatedNet::Arrival arrival = net_.Deliver(Pick());
    if (arrival.to == kControlPlane) {
      control_.Hear(arrival.message);
      continue;
    }
    ThreadedRank& rank = *ranks_[static_cast<std::size_t>(arrival.to)];
    if (!rank.alive) continue;
    lock.unlock();
    rank.Hear(arrival.message);
    lock.lock();
  }
}

void ThreadedRanks::Require(const absl::Status& status) {
  if (!status.ok()) violations_.push_back(status.ToString());
}

}  // namespace sextant
