#include "common/weights/writer/shard_plan.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"

namespace sextant {

std::vector<Shard> PlanShards(absl::Span<const TensorSpec> tensors, std::int64_t max_bytes) {
  std::vector<Shard> shards;
  std::int64_t used = 0;
  for (const TensorSpec& tensor : tensors) {
    if (shards.empty() || used + tensor.bytes() > max_bytes) {
      shards.emplace_back();
      used = 0;
    }
    shards.back().tensors.push_back(tensor);
    used += tensor.bytes();
  }
  if (shards.size() == 1) {
    shards.front().file_name = "model.safetensors";
    return shards;
  }
  for (std::size_t i = 0; i < shards.size(); ++i) {
    shards[i].file_name = absl::StrFormat("model-%05d-of-%06d.safetensors", i + 1, shards.size());
  }
  return shards;
}

std::string IndexJson(absl::Span<const Shard> shards) {
  std::string weight_map;
  std::int64_t total = 0;
  for (const Shard& shard : shards) {
    for (const TensorSpec& tensor : shard.tensors) {
      absl::StrAppend(&weight_map, weight_map.empty() ? "" : ",\n", "    ",
                      nlohmann::json(tensor.name).dump(), ": \"", shard.file_name, "\"");
      total += tensor.bytes();
    }
  }
  return absl::StrCat("{\n  \"metadata\": {\"total_size\": ", total, "},\n  \"weight_map\": {\n",
                      weight_map, "\n  }\n}\n");
}

}  // namespace sextant
