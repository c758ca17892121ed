// DeepSeek-V2-Lite's shape, as published: models/v2-lite, whose numbers tests count by hand.
#pragma once

#include "common/base/check.h"
#include "common/config/model_config.h"
#include "tests/support/source_dir.h"

namespace sextant {

inline ModelConfig V2LiteConfig() {
  absl::StatusOr<ModelConfig> config = ReadModelConfig(SourceDir() + "/models/v2-lite");
  CHECK(config.ok());
  return *std::move(config);
}

}  // namespace sextant
