// Which files of a directory form the checkpoint, and which tensor the index expects in which.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sextant {

inline constexpr char kIndexFileName[] = "model.safetensors.index.json";

struct ShardIndex {
  std::vector<std::string> files;               // plain names, sorted, no duplicates
  std::map<std::string, std::string> shard_of;  // tensor -> file; empty without an index
  bool has_index = false;
};

// With an index: its files. Without: every *.safetensors of the directory; where their names end
// in "-00002-of-000004" all of that many must be there.
//
// Errors: NotFound when there is no checkpoint or a shard is missing, naming what to look for;
//         InvalidArgument for an index that is no weight_map of plain file names.
[[nodiscard]] absl::StatusOr<ShardIndex> FindShards(const std::string& dir);

// The index alone, from text; `source` names it in errors.
[[nodiscard]] absl::StatusOr<ShardIndex> ParseShardIndex(absl::string_view text,
                                                         const std::string& source);

}  // namespace sextant
