#include "common/exchange/nccl_module/nccl_network.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/module.h"
#include "common/exchange/nccl_module/module_interface.h"

namespace sextant {
namespace {

constexpr ModuleName kModule = {.file = "sextant_nccl.so",
                                .variable = "SEXTANT_NCCL_MODULE",
                                .what = "Sextant's NCCL module",
                                .missing = "this build has no NCCL",
                                .useless = "NCCL cannot be used"};

// What is waited for longer is waited for that long.
constexpr absl::Duration kLongestWait = absl::Hours(1);

double Seconds(absl::Duration timeout) {
  return absl::ToDoubleSeconds(std::clamp(timeout, absl::ZeroDuration(), kLongestWait));
}

absl::Status StatusOf(const NcclAnswer& answer) {
  switch (answer.outcome) {
    case NcclOutcome::kDone:
      return absl::OkStatus();
    case NcclOutcome::kTimedOut:
      return absl::DeadlineExceededError(answer.problem);
    case NcclOutcome::kCancelled:
      return absl::CancelledError(answer.problem);
    case NcclOutcome::kFailed:
      break;
  }
  return absl::UnavailableError(answer.problem);
}

absl::StatusOr<std::unique_ptr<Communicator>> CommunicatorOf(const NcclAnswer& answer) {
  if (const absl::Status status = StatusOf(answer); !status.ok()) return status;
  return std::unique_ptr<Communicator>(answer.communicator);
}

class NcclNetwork final : public RankNetwork {
 public:
  explicit NcclNetwork(const NcclFunctions& functions) : functions_(functions) {}

  absl::StatusOr<std::string> MakeId() override {
    NcclAnswer answer;
    functions_.make_id(&answer);
    if (const absl::Status status = StatusOf(answer); !status.ok()) return status;
    return std::string(answer.id.bytes, sizeof(answer.id.bytes));
  }

  absl::StatusOr<std::unique_ptr<Communicator>> Open(const RankOpening& opening) override {
    if (opening.rank < 0 || opening.rank >= opening.size) {
      return absl::InvalidArgumentError(
          absl::StrCat("rank ", opening.rank, " of ", opening.size, " ranks"));
    }
    NcclOpening asked{.rank = opening.rank,
                      .size = opening.size,
                      .timeout_s = Seconds(opening.timeout),
                      .cancelled = opening.cancelled};
    if (opening.id.size() != sizeof(asked.id.bytes)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "an id of ", opening.id.size(), " bytes, and NCCL's have ", sizeof(asked.id.bytes)));
    }
    opening.id.copy(asked.id.bytes, sizeof(asked.id.bytes));
    NcclAnswer answer;
    functions_.open(asked, &answer);
    return CommunicatorOf(answer);
  }

 private:
  NcclFunctions functions_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RankNetwork>> OpenNccl() {
  const absl::StatusOr<ModuleEntry> entry = FindInModule(kModule, kNcclSymbol);
  if (!entry.ok()) return entry.status();
  NcclFunctions functions{};
  const char* interface =
      reinterpret_cast<NcclOfModule*>(entry->function)(kNcclInterface, &functions);
  if (std::strcmp(interface, kNcclInterface) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(kModule.useless, ": ", entry->path, " is of another build (", interface,
                     ", and this program needs ", kNcclInterface, "); build both together"));
  }
  return std::make_unique<NcclNetwork>(functions);
}

}  // namespace sextant
