// Hosts for a test on one machine: a network namespace each, joined by a wire in this process that
// delays, reorders, loses and cuts off what goes between them.
//
//   auto network = FaultyNetwork::Create(3);  // 10.77.0.1, 10.77.0.2, 10.77.0.3
//   network->Enter(0);                        // this thread, and all that it starts
//   network->Within(1, [&] { ... start a process on host 1 ... });
//   network->SetFaults({.delay = absl::Milliseconds(5), .loss = 0.01});
//   network->Cut(0, 1);
//
// A host's only way out is a TUN device, whose packets the wire reads and writes; nothing outside
// of the namespaces is touched, and they are gone when this and the processes in them are.
//
// Threads: the wire has its own. SetFaults, Cut and Heal may be called from any thread; Enter and
//          Within change the namespace of the thread that calls them, and of no other.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sextant::chaos {

class FaultyNetwork {
 public:
  struct Faults {
    absl::Duration delay = {};   // of every packet
    absl::Duration jitter = {};  // up to so much more, so that packets overtake each other
    double loss = 0;             // share of the packets
  };

  // Errors: FailedPrecondition with the reason where namespaces or TUN devices are not permitted;
  //         Internal when they are, and do not work.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<FaultyNetwork>> Create(int hosts);
  ~FaultyNetwork();
  FaultyNetwork(const FaultyNetwork&) = delete;
  FaultyNetwork& operator=(const FaultyNetwork&) = delete;

  [[nodiscard]] static std::string AddressOf(int host);

  void Enter(int host);
  void Within(int host, absl::FunctionRef<void()> body);

  void SetFaults(const Faults& faults);
  // Packets between the two are dropped, both ways.
  void Cut(int a, int b);
  // All packets of a host are.
  void CutOff(int host);
  void Heal();

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;
  struct Host {
    int space = -1;  // the namespace
    int wire = -1;   // the TUN device
  };
  struct Packet {
    int to = 0;
    std::string bytes = {};
  };

  FaultyNetwork() = default;
  [[nodiscard]] absl::Status AddHost();
  void Carry();
  void Read(int from);
  void DeliverDue();

  std::vector<Host> hosts_;
  int stop_ = -1;  // an eventfd
  std::thread thread_;

  std::mutex mutex_;
  Faults faults_;
  std::set<std::pair<int, int>> cut_;

  // The wire's.
  std::mt19937_64 random_{1};
  std::multimap<SteadyTime, Packet> under_way_;
};

}  // namespace sextant::chaos
