// A small checkpoint and what it must compute, as tests/golden/README.md describes it.
//
// Shapes:    T ids, V vocabulary, K chosen experts; one inner vector per position.
// Errors:    NotFound or DataLoss naming the file, for a golden.json that is absent or malformed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sextant {

struct GoldenRouting {
  std::int64_t layer = 0;
  std::vector<std::vector<std::int32_t>> expert_ids;  // [T][K], heaviest first
  std::vector<std::vector<float>> weights;            // [T][K]
};

struct GoldenModel {
  std::string folder;  // holds the checkpoint
  std::vector<std::int32_t> ids;
  std::vector<std::vector<float>> logits_fp32;  // [T][V]
  std::vector<std::int32_t> argmax_fp32;        // [T]
  std::vector<GoldenRouting> routing;           // of the MoE layers, in f32

  // Of the last positions only where the file has no more: row 0 is position bf16_first.
  std::vector<std::vector<float>> logits_bf16;
  std::int64_t bf16_first = 0;
  std::vector<std::int32_t> argmax_bf16;  // [T]
  double bf16_distance = 0.0;             // the largest difference between bf16 and f32 logits

  std::vector<std::int32_t> long_ids;
  std::vector<std::vector<float>> long_last_logits;  // f32, of the last positions of long_ids
};

// Reads FOLDER/golden.json: those of this project, and those of the shared test data, whose long
// prompt is named by its generator.
[[nodiscard]] absl::StatusOr<GoldenModel> ReadGoldenModel(const std::string& folder);

// The folders of this project's goldens, by name: lite, v2, plain, half.
[[nodiscard]] std::vector<std::string> GoldenModelNames();
[[nodiscard]] std::string GoldenModelFolder(const std::string& name);

}  // namespace sextant
