// Which epochs a worker has prepared and committed, which are over, and which commands of the
// coordinator fit.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "proto/sextant/v1/placement.pb.h"

namespace sextant {

// Errors: FailedPrecondition for a command that the protocol does not allow now: the two sides
// disagree about the past, and the worker should join anew.
class HeldEpochs {
 public:
  void Heard(std::uint64_t epoch);
  void Prepared(const v1::Placement& placement);
  // Every epoch below `before` is over: it is held no longer, and commands about it are too late.
  void Halted(std::uint64_t before);
  // Whether it has been halted. A command about it was on its way then, and has no meaning any
  // more.
  [[nodiscard]] bool IsOver(std::uint64_t epoch) const { return epoch < halted_before_; }

  [[nodiscard]] absl::Status CheckPrepare(std::uint64_t epoch) const;
  [[nodiscard]] absl::Status CheckCommit(std::uint64_t epoch) const;
  [[nodiscard]] absl::Status CheckRetire(std::uint64_t epoch) const;

  // The prepared one becomes the committed one; after CheckCommit, unless it is over since.
  void Committed();

  // Epoch 0 before the first, and after a halt.
  [[nodiscard]] const v1::Placement& committed() const { return committed_; }
  [[nodiscard]] std::uint64_t newest() const { return newest_; }

 private:
  std::optional<v1::Placement> prepared_;
  v1::Placement committed_;
  std::uint64_t newest_ = 0;
  std::uint64_t halted_before_ = 0;
};

}  // namespace sextant
