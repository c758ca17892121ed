// Samples one row by the passes of one instruction set: a few walks over the vocabulary, no sort.
//
// Ownership: holds the room that a row needs (about 14 bytes per id), reused from row to row.
// Threads:   one row at a time; each worker of a pool has its own.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "common/device/scratch.h"
#include "kernels/sampling/candidates.h"
#include "kernels/sampling/row_passes.h"
#include "kernels/sampling/sample_row.h"

namespace sextant {

class RowSampler {
 public:
  // Its room comes from `scope`, which must outlive it.
  RowSampler(const RowPasses& passes, std::int64_t vocab_size, ScratchScope& scope);

  [[nodiscard]] absl::StatusOr<SampledToken> Sample(const SampleRowArgs& args);

 private:
  // The drawn id, given the heaviest of the adjusted logits.
  [[nodiscard]] std::int64_t Draw(const SampleRow& row, float heaviest);
  [[nodiscard]] double SumKept(std::int64_t begin, std::int64_t end,
                               const LightestKept& kept) const;
  // The `count` heaviest; a logprob is its logit less `shift`.
  [[nodiscard]] std::vector<TokenLogprob> FindLogprobs(std::int32_t count, double shift) const;

  const RowPasses& passes_;
  std::int64_t vocab_size_;
  std::int64_t padded_size_;
  float* logits_;
  float* weights_;
  std::uint16_t* bins_;
  std::uint32_t* counts_;
  double* block_sums_;
  CandidateFinder finder_;
};

}  // namespace sextant
