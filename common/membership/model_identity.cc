#include "common/membership/model_identity.h"

#include <string>

#include "common/base/status.h"
#include "common/tensor/dtype.h"
#include "common/weights/fingerprint.h"

namespace sextant {

absl::StatusOr<v1::ModelIdentity> IdentifyModel(const ModelConfig& config,
                                                const Checkpoint& checkpoint, Precision precision) {
  ASSIGN_OR_RETURN(const std::string fingerprint, Fingerprint(config, checkpoint));
  v1::ModelIdentity identity;
  identity.set_fingerprint(fingerprint);
  identity.set_dtype(Name(StorageType(precision)));
  identity.set_num_layers(static_cast<std::int32_t>(config.num_hidden_layers));
  identity.set_num_experts(static_cast<std::int32_t>(config.n_routed_experts));
  return identity;
}

}  // namespace sextant
