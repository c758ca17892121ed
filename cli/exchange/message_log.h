// A communicator that remembers what was asked of another one.
//
// Threads:   as Communicator says; groups() is of the thread that calls Exchange.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "common/exchange/ranks/communicator.h"

namespace sextant::cli {

// What one Exchange was.
struct LoggedGroup {
  std::vector<RankMessage> sends;
  std::vector<RankMessage> receives;
};

class MessageLog final : public Communicator {
 public:
  explicit MessageLog(std::shared_ptr<Communicator> inner) : inner_(std::move(inner)) {}

  // The last but one, and the last: in a layer the rows, and the outputs.
  [[nodiscard]] const std::array<LoggedGroup, 2>& groups() const { return groups_; }

  [[nodiscard]] int rank() const override { return inner_->rank(); }
  [[nodiscard]] int size() const override { return inner_->size(); }
  DeviceStatus Exchange(DeviceStream stream, absl::Span<const RankMessage> sends,
                        absl::Span<const RankMessage> receives) override {
    groups_[0] = std::move(groups_[1]);
    groups_[1] = {.sends = {sends.begin(), sends.end()},
                  .receives = {receives.begin(), receives.end()}};
    return inner_->Exchange(stream, sends, receives);
  }
  DeviceStatus Health() override { return inner_->Health(); }
  void Abort() override { inner_->Abort(); }

 private:
  const std::shared_ptr<Communicator> inner_;
  std::array<LoggedGroup, 2> groups_;
};

}  // namespace sextant::cli
