// GPUs that compute one model together, each emulated and with a thread of its own, under a
// conductor that hears and is heard at once.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/engine/device_rank.h"
#include "common/config/model_config.h"
#include "common/exchange/ranks/conductors.h"
#include "common/weights/checkpoint.h"
#include "tests/support/device/emulated_gpu.h"
#include "tests/support/ranks/fake_network.h"

namespace sextant::cli {

class EmulatedRanks {
 public:
  struct Sizes {
    std::int64_t max_batch_tokens = 20;
    std::int64_t max_sequences = 8;
    std::int64_t cache_tokens = 1024;
    int expert_slots = 0;  // of every rank; 0: as many as its role has experts
  };

  // With the experts of their roles. `model` and `checkpoint` outlive this. Fails the test on an
  // error.
  EmulatedRanks(const ModelConfig& model, const Checkpoint& checkpoint, std::vector<RankRole> roles,
                const Sizes& sizes);
  ~EmulatedRanks();

  [[nodiscard]] DeviceRank& rank(std::size_t index) { return *members_[index]->rank; }
  [[nodiscard]] const Sizes& sizes() const { return sizes_; }

  // From the next epoch on these experts are the rank's: brings those that it lacks, beside those
  // that it has.
  void Assign(std::size_t index, std::vector<std::int32_t> experts);
  // Drops what is not the rank's any more.
  void Retire(std::size_t index);

  // Begins an epoch of these ranks, in this order.
  void Enter(std::uint64_t epoch, const std::vector<std::size_t>& ranks);
  // Ends `epoch` between two steps: `next`, which has been entered, follows.
  void Switch(std::uint64_t epoch, std::uint64_t next);
  // All epochs before `next` are over, for these ranks: they halt, and then are aborted.
  void EndBefore(std::uint64_t next, const std::vector<std::size_t>& ranks);

  // Runs `body` on the rank's own thread.
  void Run(std::size_t index, std::function<void()> body);
  // What a rank without work does, until Stop. Returns how many steps it took part in: at most
  // `steps`, if that is not negative.
  std::int64_t Serve(std::size_t index, std::int64_t steps = -1);
  // Ends every Serve, and joins all threads.
  void Stop();

  // Until so many steps have begun, in all epochs.
  void WaitForStep(std::int64_t steps);
  // Until this step of that epoch has begun: all of its attention ranks have ended those before.
  void WaitForStepOf(std::uint64_t epoch, std::uint64_t number);
  // How many steps have begun in exact form, and in slots.
  [[nodiscard]] std::int64_t exact_steps();
  [[nodiscard]] std::int64_t slot_steps();

 private:
  // A rank's way to the conductors. On an emulated GPU nothing happens before somebody waits, so
  // that what the others wait for is done here first; a GPU would be at it by itself.
  class Link final : public ConductorLink {
   public:
    explicit Link(EmulatedRanks& all) : all_(all) {}
    void Send(const StepOffer& offer) override;
    const GpuStream* stream = nullptr;

   private:
    EmulatedRanks& all_;
  };
  struct Member {
    EmulatedGpu* gpu = nullptr;
    std::unique_ptr<Link> link;
    std::unique_ptr<DeviceRank> rank;
    RankRole role;
    std::thread thread;
  };

  void Tell(const StepCall& call);  // with the lock

  const ModelConfig& model_;
  const Sizes sizes_;
  std::vector<std::unique_ptr<FakeNetwork>> networks_;
  std::vector<std::unique_ptr<Member>> members_;

  std::mutex mutex_;
  Conductors conductors_;
  std::condition_variable begun_;
  std::map<std::uint64_t, std::vector<std::size_t>> ranks_of_;  // of each epoch
  std::map<std::uint64_t, std::uint64_t> begun_of_;  // the last step that has begun, likewise
  std::int64_t exact_steps_ = 0;
  std::int64_t slot_steps_ = 0;
};

}  // namespace sextant::cli
