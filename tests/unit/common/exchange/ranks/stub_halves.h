// The two halves of a rank that compute nothing: a message of a few bytes goes from each attention
// rank to each expert rank in a layer, and one comes back.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "common/device/gpu.h"
#include "common/exchange/ranks/rank_sides.h"

namespace sextant {

inline constexpr int kMostStubRanks = 4;

// Device memory with a place for each rank.
class StubPlaces {
 public:
  explicit StubPlaces(GpuDriver& gpu)
      : memory_(*GpuMemory::Allocate(gpu, GpuMemory::Place::kDevice, kMostStubRanks * kBytes,
                                     "messages")) {}

  [[nodiscard]] RankMessage Message(int peer) const {
    return {.peer = peer, .data = memory_.data() + peer * kBytes, .bytes = kBytes};
  }
  [[nodiscard]] std::int32_t* numbers() const {
    return reinterpret_cast<std::int32_t*>(memory_.data());
  }

 private:
  static constexpr std::int64_t kBytes = sizeof(RankCounts);
  GpuMemory memory_;
};

class StubSender final : public RowSender {
 public:
  explicit StubSender(GpuDriver& gpu) : sent_(gpu), received_(gpu), counts_(gpu), overflow_(gpu) {
    *overflow_.numbers() = 0;
  }

  [[nodiscard]] absl::Status Check(const RankLayout&) const override { return absl::OkStatus(); }
  [[nodiscard]] absl::Status Use(const RankLayout&, int) override { return absl::OkStatus(); }
  [[nodiscard]] absl::Status Pack(DeviceStream, const DeviceDispatch&, const RankStep&) override {
    return absl::OkStatus();
  }
  [[nodiscard]] std::int32_t* counts() override { return counts_.numbers(); }
  [[nodiscard]] std::int32_t* overflow() override { return overflow_.numbers(); }
  void AddSends(int, int peer, std::int64_t, std::vector<RankMessage>& sends) override {
    sends.push_back(sent_.Message(peer));
  }
  void AddReceives(int peer, std::int64_t, std::int64_t,
                   std::vector<RankMessage>& receives) override {
    receives.push_back(received_.Message(peer));
  }
  [[nodiscard]] DeviceExpertOutputs outputs() const override { return {}; }

 private:
  StubPlaces sent_;
  StubPlaces received_;
  StubPlaces counts_;
  StubPlaces overflow_;
};

class StubHost final : public RowHost {
 public:
  explicit StubHost(GpuDriver& gpu) : received_(gpu), sent_(gpu) {}

  [[nodiscard]] absl::Status Check(const RankLayout&, int) const override {
    return absl::OkStatus();
  }
  [[nodiscard]] absl::Status Use(const RankLayout&, int) override { return absl::OkStatus(); }
  [[nodiscard]] absl::Status ExpectSlots(const RankStep&) override { return absl::OkStatus(); }
  [[nodiscard]] absl::Status ExpectExactly(DeviceStream, absl::Span<const RankCounts>) override {
    return absl::OkStatus();
  }
  void AddReceives(int peer, std::int64_t, std::int64_t,
                   std::vector<RankMessage>& receives) override {
    receives.push_back(received_.Message(peer));
  }
  [[nodiscard]] absl::Status Compute(DeviceStream, int) override { return absl::OkStatus(); }
  void AddSends(int peer, std::int64_t, std::int64_t, std::vector<RankMessage>& sends) override {
    sends.push_back(sent_.Message(peer));
  }

 private:
  StubPlaces received_;
  StubPlaces sent_;
};

}  // namespace sextant
