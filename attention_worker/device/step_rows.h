// What a step on a GPU computes, row by row, planned on the host: the rows of all slices, and how
// attention goes over them.
//
// Decode rows come first. Their attention takes passes: rows of one pass have tables that follow
// one another (a row of each of several sequences) or all the same one (generated positions of one
// sequence that are computed again), and together fit the workspaces. A step is usually one pass.
//
// Shapes: T rows, S slices (each has a block table), L rows whose logits are wanted.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "attention_worker/device/step_layout.h"
#include "attention_worker/model/step_model.h"

namespace sextant {

struct DecodePass {
  std::int64_t first_row = 0;
  std::int64_t rows = 0;
  std::int64_t first_table = 0;
  bool one_table = false;  // of all rows; else each has the next one

  friend bool operator==(const DecodePass&, const DecodePass&) = default;
};

struct PromptPass {
  std::int64_t first_row = 0;
  std::int64_t rows = 0;
  std::int64_t table = 0;
  std::int64_t start = 0;       // position of the first row
  std::int64_t num_logits = 0;  // of the last rows

  friend bool operator==(const PromptPass&, const PromptPass&) = default;
};

struct StepRows {
  std::vector<std::int32_t> token_ids;                 // [T]
  std::vector<std::int32_t> positions;                 // [T]
  std::vector<std::int64_t> slots;                     // [T] where each row's latent goes
  std::vector<std::int32_t> lengths;                   // of the decode rows: keys that each sees
  std::vector<absl::Span<const std::int32_t>> tables;  // [S]; borrowed from the slices
  std::vector<std::int32_t> logit_rows;                // [L], ascending
  std::vector<DecodePass> decode;
  std::vector<PromptPass> prompts;

  [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(token_ids.size()); }
  [[nodiscard]] std::int64_t num_logits() const {
    return static_cast<std::int64_t>(logit_rows.size());
  }
  // One generated position of each of several sequences, all of whose logits are wanted.
  [[nodiscard]] bool is_plain_decode() const {
    return prompts.empty() && decode.size() == 1 && !decode.front().one_table &&
           logit_rows.size() == token_ids.size();
  }
};

// `positions`: of a sequence, at most.
// Errors: InvalidArgument for a position beyond those, and for a step larger than `sizes`.
[[nodiscard]] absl::StatusOr<StepRows> PlanStepRows(absl::Span<const SequenceSlice> slices,
                                                    const StepSizes& sizes, std::int64_t positions);

}  // namespace sextant
