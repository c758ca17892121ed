// How tensors are divided over the files of a checkpoint.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "common/weights/writer/safetensors_writer.h"

namespace sextant {

struct Shard {
  std::string file_name;
  std::vector<TensorSpec> tensors;
};

// In order; a file takes tensors while it stays within `max_bytes`, and at least one. A single
// file is model.safetensors; several are model-00001-of-000004.safetensors and so on, as
// DeepSeek names them (the total has six digits).
[[nodiscard]] std::vector<Shard> PlanShards(absl::Span<const TensorSpec> tensors,
                                            std::int64_t max_bytes);

// The text of model.safetensors.index.json.
[[nodiscard]] std::string IndexJson(absl::Span<const Shard> shards);

}  // namespace sextant
