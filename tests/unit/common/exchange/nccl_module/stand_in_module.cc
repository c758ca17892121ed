// A module that agrees with programs whose interface is SEXTANT_NCCL_INTERFACE. It connects two
// ranks whose id begins with "id", and no more.
#include <cstring>

#include "common/exchange/nccl_module/module_interface.h"

namespace sextant {
namespace {

class NoCommunicator final : public Communicator {
 public:
  NoCommunicator(int rank, int size) : rank_(rank), size_(size) {}

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }
  DeviceStatus Exchange(DeviceStream, absl::Span<const RankMessage>,
                        absl::Span<const RankMessage>) override {
    return Health();
  }
  DeviceStatus Health() override {
    return {aborted_ ? DeviceError::kDevice : DeviceError::kNone, ""};
  }
  void Abort() override { aborted_ = true; }

 private:
  int rank_;
  int size_;
  bool aborted_ = false;
};

void End(NcclOutcome outcome, const char* problem, NcclAnswer* answer) {
  answer->outcome = outcome;
  std::strncpy(answer->problem, problem, sizeof(answer->problem) - 1);
}

void MakeId(NcclAnswer* answer) {
  std::memset(answer->id.bytes, '.', sizeof(answer->id.bytes));
  std::memcpy(answer->id.bytes, "id", 2);
  answer->outcome = NcclOutcome::kDone;
}

void Open(const NcclOpening& opening, NcclAnswer* answer) {
  if (std::memcmp(opening.id.bytes, "id", 2) != 0) {
    return End(NcclOutcome::kFailed, "not an id", answer);
  }
  if (opening.cancelled != nullptr && opening.cancelled->load()) {
    return End(NcclOutcome::kCancelled, "nobody waits", answer);
  }
  if (opening.size > 2) {
    return End(opening.timeout_s > 60 ? NcclOutcome::kFailed : NcclOutcome::kTimedOut,
               "two are here", answer);
  }
  answer->communicator = new NoCommunicator(opening.rank, opening.size);
  answer->outcome = NcclOutcome::kDone;
}

}  // namespace
}  // namespace sextant

extern "C" const char* sextant_nccl_functions(const char* interface,
                                              sextant::NcclFunctions* functions) {
  if (std::strcmp(interface, sextant::kNcclInterface) == 0) {
    *functions = {.make_id = sextant::MakeId, .open = sextant::Open};
  }
  return sextant::kNcclInterface;
}
