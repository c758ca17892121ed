// Which tokens top_k and top_p leave, found without sorting the vocabulary.
//
// A histogram over the weights (one bin per 1/32 nat below the heaviest) says in which bin the
// lightest kept token lies; only that bin's members are ranked.
#pragma once

#include <cstdint>
#include <vector>

#include "common/sampling_params/sampling_params.h"
#include "kernels/sampling/row_passes.h"

namespace sextant {

// Ranked heaviest first, equal logits by id: the last token that is kept.
struct LightestKept {
  float logit;
  std::int64_t id;
};

struct WeighedRow {
  const float* logits;
  const float* weights;
  const std::uint16_t* bins;
  std::int64_t count;
};

class CandidateFinder {
 public:
  // The lightest token kept by top_k, then top_p. Each is off at its neutral value; with both off
  // every token is kept.
  [[nodiscard]] LightestKept Find(const WeighedRow& row, const SamplingParams& params);

 private:
  struct Bin {
    double weight;
    std::int64_t tokens;
  };
  struct Member {
    float logit;
    float weight;
    std::int64_t id;
  };
  static bool Heavier(const Member& a, const Member& b);

  void FillBins(const WeighedRow& row);
  void CollectMembers(const WeighedRow& row, std::int64_t bin, const LightestKept& kept);
  template <typename Measure>
  Member Select(double budget, const Measure& measure);
  void KeepTopK(const WeighedRow& row, std::int64_t top_k, LightestKept& kept);
  void KeepTopP(const WeighedRow& row, double top_p, LightestKept& kept);

  std::vector<Bin> bins_;
  std::vector<Member> members_;
};

}  // namespace sextant
