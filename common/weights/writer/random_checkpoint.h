// A checkpoint of random weights in the published layout, for tests and benchmarks of any shape.
//
// Scales keep activations sane through any depth: matrices are normal with variance
// 1 / inputs, so that a normalised row stays near unit size; those that add to the residual
// (o_proj, down_proj) are divided by sqrt(2 L) further, as in GPT-2, so that L layers add about
// as much as the embedding; norms are 1 +- 0.1; routers give logits of unit spread, so that
// tokens go to many experts.
//
// Numerics: values depend on (seed, tensor name, position) alone, not on threads or shards.
// Errors:   the output's (output_directory.h); InvalidArgument for a config that cannot be read;
//           ResourceExhausted when the disk is too small; Cancelled when `progress` said so.
//           After an error nothing is left behind.
#pragma once

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "common/weights/writer/output_directory.h"

namespace sextant {

struct RandomCheckpointArgs {
  std::string config_path;    // or its directory; copied, and its dtype is the weights'
  std::string tokenizer_dir;  // its tokenizer and generation files are copied; empty: none
  std::string output_dir;
  Replace replace = Replace::kNever;
  std::uint64_t seed = 0;
  std::int64_t max_shard_bytes = 5'000'000'000;
  int threads = 1;
};

// Bytes written and in all; returns whether to go on.
using WriteProgress = absl::FunctionRef<bool(std::int64_t done, std::int64_t total)>;

[[nodiscard]] absl::Status WriteRandomCheckpoint(const RandomCheckpointArgs& args,
                                                 WriteProgress progress);

}  // namespace sextant
