#include "attention_worker/model/step_model.h"

namespace sextant {

absl::Status StepModel::StartSample(const SampleStep& /*step*/) {
  return absl::UnimplementedError("this model does not look ahead");
}

absl::StatusOr<std::vector<absl::StatusOr<SampledToken>>> StepModel::FinishSample() {
  return absl::UnimplementedError("this model does not look ahead");
}

}  // namespace sextant
