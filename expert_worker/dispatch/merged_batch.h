// Several dispatches of one layer as one batch: their rows one after another, grouped by expert
// across all of them, and afterwards each dispatch's answer.
//
// Shapes:    T rows of all frames, R pairs of all frames, H hidden.
// Numerics:  values are moved, never changed.
// Ownership: the batch lives until the next Build; memory grows to the largest batch.
// Threads:   one.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "common/exchange/exchange.h"
#include "common/exchange/frame.h"

namespace sextant {

class MergedBatch {
 public:
  // `frames` are parsed, of one layer, hidden size and type; their experts are in
  // [0, num_experts). Their rows are read, once.
  const ExpertBatch& Build(absl::Span<DispatchFrame* const> frames, std::int32_t num_experts);

  // The answer to the i-th frame, once the batch's outputs are there.
  [[nodiscard]] FrameBytes Answer(std::size_t i) const;

 private:
  struct Part {
    std::uint64_t dispatch = 0;
    std::size_t first_pair = 0;
    std::size_t pairs = 0;
  };

  void Group(absl::Span<DispatchFrame* const> frames, std::int32_t num_experts);

  std::vector<Part> parts_;
  std::vector<float> rows_;                   // [T, H]
  std::vector<float> outputs_;                // [R, H]
  std::vector<std::int32_t> next_output_;     // [E + 1]
  std::vector<std::int32_t> rows_of_groups_;  // [R] row of each output
  std::vector<std::int32_t> output_of_;       // [R] output of each pair, in the frames' order
  std::vector<ExpertRowGroup> groups_;
  ExpertBatch batch_;
  DType type_ = DType::kBf16;
};

}  // namespace sextant
