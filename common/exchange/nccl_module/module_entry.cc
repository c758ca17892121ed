#include <cuda_runtime_api.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <sstream>
#include <string>

#include "common/exchange/nccl_module/module_interface.h"
#include "common/exchange/nccl_module/nccl_communicator.h"

namespace sextant {
namespace {

static_assert(kNcclIdBytes == NCCL_UNIQUE_ID_BYTES);

constexpr double kLookUpSeconds = 0.01;

void Say(const std::string& problem, NcclAnswer* answer) {
  problem.copy(answer->problem, sizeof(answer->problem) - 1);
}

// What did not succeed in time has timed out.
void Answer(const char* what, ncclResult_t result, NcclAnswer* answer) {
  if (result == ncclSuccess) {
    answer->outcome = NcclOutcome::kDone;
    return;
  }
  std::ostringstream out;
  out << what << ": ";
  if (result == ncclInProgress) {
    answer->outcome = NcclOutcome::kTimedOut;
    out << "not every rank has come in time";
  } else {
    const char* more = ncclGetLastError(nullptr);
    out << ncclGetErrorString(result);
    if (more != nullptr && *more != '\0') out << ": " << more;
  }
  Say(out.str(), answer);
}

NcclCommunicator::Deadline After(double seconds) {
  return std::chrono::steady_clock::now() +
         std::chrono::duration_cast<std::chrono::steady_clock::duration>(
             std::chrono::duration<double>(seconds));
}

void MakeId(NcclAnswer* answer) {
  ncclUniqueId id;
  Answer("NCCL makes no id", ncclGetUniqueId(&id), answer);
  std::memcpy(answer->id.bytes, id.internal, sizeof(answer->id.bytes));
}

bool IsCancelled(const NcclOpening& opening) {
  return opening.cancelled != nullptr && opening.cancelled->load();
}

// Looks up now and then.
ncclResult_t WaitUntilReady(NcclCommunicator& joined, const NcclOpening& opening) {
  const NcclCommunicator::Deadline deadline = After(opening.timeout_s);
  while (true) {
    const NcclCommunicator::Deadline next = std::min(deadline, After(kLookUpSeconds));
    const ncclResult_t result = joined.WaitUntilReady(next).value_or(ncclInvalidUsage);
    if (result != ncclInProgress || next == deadline || IsCancelled(opening)) return result;
  }
}

void Open(const NcclOpening& opening, NcclAnswer* answer) {
  int device = 0;
  if (const cudaError_t error = cudaGetDevice(&device); error != cudaSuccess) {
    Say(std::string("there is no GPU for NCCL: ") + cudaGetErrorString(error), answer);
    return;
  }
  ncclUniqueId id;
  std::memcpy(id.internal, opening.id.bytes, sizeof(id.internal));
  ncclResult_t result = ncclSuccess;
  std::unique_ptr<NcclCommunicator> joined =
      NcclCommunicator::Join(id, opening.rank, opening.size, device, &result);
  if (joined != nullptr) result = WaitUntilReady(*joined, opening);
  if (result == ncclInProgress && IsCancelled(opening)) {
    answer->outcome = NcclOutcome::kCancelled;
    return Say("nobody waits for the ranks to connect any more", answer);
  }
  Answer("NCCL does not connect the ranks", result, answer);
  if (result == ncclSuccess) answer->communicator = joined.release();
}

}  // namespace
}  // namespace sextant

extern "C" __attribute__((visibility("default"))) const char* sextant_nccl_functions(
    const char* interface, sextant::NcclFunctions* functions) {
  if (std::strcmp(interface, sextant::kNcclInterface) == 0) {
    *functions = {.make_id = sextant::MakeId, .open = sextant::Open};
  }
  return sextant::kNcclInterface;
}
