#include "attention_worker/service/worker_model.h"

namespace sextant {

absl::Status WorkerModel::Prepare(const v1::Placement& /*placement*/) {
  return absl::FailedPreconditionError(
      "this worker computes every expert itself, and takes no placement");
}

}  // namespace sextant
