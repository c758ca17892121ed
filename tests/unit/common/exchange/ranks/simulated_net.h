// Messages between processes, and between them and the control plane: those of one sender to one
// receiver arrive in order, all others in any; and when a connection is made anew, some arrive
// again.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <variant>
#include <vector>

#include "common/exchange/ranks/step_messages.h"

namespace sextant {

// The control plane's.
struct PrepareEpoch {
  std::uint64_t epoch = 0;
};
struct EpochPrepared {  // the answer to it
  std::uint64_t epoch = 0;
  int process = 0;
};
struct HaltEpochsBefore {
  std::uint64_t next = 0;
};
struct EpochsHalted {  // the answer to it
  std::uint64_t next = 0;
  int process = 0;
};
struct EndEpochsBefore {
  std::uint64_t next = 0;
};
struct SwitchEpoch {
  std::uint64_t epoch = 0;
  std::uint64_t next = 0;
};

using SimulatedMessage = std::variant<StepOffer, StepCall, LastStep, PrepareEpoch, EpochPrepared,
                                      HaltEpochsBefore, EpochsHalted, EndEpochsBefore, SwitchEpoch>;

inline constexpr int kControlPlane = -1;

class SimulatedNet {
 public:
  using Pick = std::function<int(int bound)>;  // in [0, bound)

  struct Arrival {
    int from = 0;
    int to = 0;
    SimulatedMessage message;
  };

  void Send(int from, int to, SimulatedMessage message) {
    Channel& channel = channels_[{from, to}];
    channel.sent.push_back(std::move(message));
    if (channel.sent.size() == channel.arrived + 1) waiting_.push_back({from, to});
    ++sent_;
  }

  // Needs !idle().
  Arrival Deliver(const Pick& pick) {
    const auto chosen = static_cast<std::size_t>(pick(static_cast<int>(waiting_.size())));
    const Ends ends = waiting_[chosen];
    Channel& channel = channels_.at(ends);
    Arrival arrival{ends.first, ends.second, channel.sent[channel.arrived++]};
    if (channel.sent.size() == channel.arrived) {
      std::swap(waiting_[chosen], waiting_.back());
      waiting_.pop_back();
    }
    return arrival;
  }

  // Some connection is made anew: of what has arrived the last few come again.
  void Reconnect(const Pick& pick) {
    if (channels_.empty()) return;
    auto it = channels_.begin();
    std::advance(it, pick(static_cast<int>(channels_.size())));
    auto& [ends, channel] = *it;
    const std::size_t again = std::min(channel.arrived, static_cast<std::size_t>(1 + pick(4)));
    if (again > 0 && channel.sent.size() == channel.arrived) waiting_.push_back(ends);
    channel.arrived -= again;
  }

  // Of what the process has sent some is lost, the newest first.
  void LoseSome(int from, const Pick& pick) {
    for (auto& [ends, channel] : channels_) {
      const std::size_t waiting = channel.sent.size() - channel.arrived;
      if (ends.first != from || waiting == 0) continue;
      channel.sent.resize(channel.sent.size() -
                          static_cast<std::size_t>(pick(static_cast<int>(waiting) + 1)));
      if (channel.sent.size() == channel.arrived) {
        waiting_.erase(std::find(waiting_.begin(), waiting_.end(), ends));
      }
    }
  }

  [[nodiscard]] bool idle() const { return waiting_.empty(); }
  [[nodiscard]] std::int64_t sent() const { return sent_; }

 private:
  using Ends = std::pair<int, int>;
  struct Channel {
    std::vector<SimulatedMessage> sent;
    std::size_t arrived = 0;  // of them
  };

  std::map<Ends, Channel> channels_;
  std::vector<Ends> waiting_;  // those with something under way
  std::int64_t sent_ = 0;
};

}  // namespace sextant
