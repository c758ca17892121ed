// A communicator of one rank that carries nothing and tells when it is aborted and when it ends.
#pragma once

#include <functional>
#include <utility>

#include "common/exchange/ranks/communicator.h"

namespace sextant {

class StubCommunicator final : public Communicator {
 public:
  explicit StubCommunicator(
      std::function<void()> on_end = [] {}, bool* aborted = nullptr)
      : on_end_(std::move(on_end)), aborted_(aborted) {}
  ~StubCommunicator() override { on_end_(); }
  StubCommunicator(const StubCommunicator&) = delete;
  StubCommunicator& operator=(const StubCommunicator&) = delete;

  [[nodiscard]] int rank() const override { return 0; }
  [[nodiscard]] int size() const override { return 1; }
  DeviceStatus Exchange(DeviceStream /*stream*/, absl::Span<const RankMessage> /*sends*/,
                        absl::Span<const RankMessage> /*receives*/) override {
    return {};
  }
  DeviceStatus Health() override { return health; }
  void Abort() override {
    if (aborted_ != nullptr) *aborted_ = true;
  }

  DeviceStatus health = {};  // sound, also once aborted

 private:
  std::function<void()> on_end_;
  bool* aborted_;
};

}  // namespace sextant
