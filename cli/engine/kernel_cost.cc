#include "cli/engine/kernel_cost.h"

#include <algorithm>
#include <initializer_list>

namespace sextant::cli {
namespace {

// Of bf16 values, and of 32-bit ones.
constexpr double kHalf = 2;
constexpr double kWord = 4;

double Product(std::initializer_list<std::int64_t> factors) {
  double product = 1;
  for (const std::int64_t factor : factors) product *= static_cast<double>(factor);
  return product;
}

}  // namespace

KernelCost CostOf(const EmbeddingCudaArgs& args, const StepFacts& /*facts*/) {
  return {.bytes = 2 * kHalf * Product({args.rows, args.hidden})};
}

KernelCost CostOf(const RmsNormCudaArgs& args, const StepFacts& /*facts*/) {
  const double passes = args.delta != nullptr ? 4 : 2;
  return {.bytes = passes * kHalf * Product({args.rows, args.cols})};
}

KernelCost CostOf(const LinearCudaArgs& args, const StepFacts& /*facts*/) {
  const double result = args.y != nullptr ? kHalf : kWord;
  return {.bytes = kHalf * Product({args.outputs + args.rows, args.depth}) +
                   result * Product({args.rows, args.outputs}),
          .flops = 2 * Product({args.rows, args.outputs, args.depth})};
}

KernelCost CostOf(const WriteLatentsCudaArgs& args, const StepFacts& /*facts*/) {
  const double q = 2 * Product({args.num_heads, args.rope});
  const double latent = 2 * Product({args.rank + args.rope});
  return {.bytes = kHalf * static_cast<double>(args.rows) * (q + latent)};
}

KernelCost CostOf(const HeadProductCudaArgs& args, const StepFacts& /*facts*/) {
  const double halves = args.two_halves ? 2 : 1;
  const double weights = Product({args.num_heads, args.outputs, args.depth});
  const double rows =
      static_cast<double>(args.rows) * static_cast<double>(args.num_heads) *
      (halves * static_cast<double>(args.depth) + static_cast<double>(args.outputs));
  return {.bytes = kHalf * (weights + rows),
          .flops = 2 * halves * weights * static_cast<double>(args.rows)};
}

KernelCost CostOf(const PlanDecodeCudaArgs& args, const StepFacts& /*facts*/) {
  return {.bytes = 2 * kWord * static_cast<double>(args.rows)};
}

KernelCost CostOf(const MlaDecodeCudaArgs& args, const StepFacts& facts) {
  const double keys = static_cast<double>(args.rows) * facts.context;
  const double width = kLatentRank + kLatentRope;
  const double queries = Product({args.rows, args.num_heads}) * (width + 2.0 * kLatentRank);
  return {.bytes = kHalf * (keys * width + queries),
          .flops = 2 * keys * static_cast<double>(args.num_heads) * (width + kLatentRank)};
}

KernelCost CostOf(const MlaPrefillCudaArgs& args, const StepFacts& /*facts*/) {
  const auto rows = static_cast<double>(args.rows);
  const auto heads = static_cast<double>(args.num_heads);
  const double keys = static_cast<double>(args.start) + rows;
  const double pairs = rows * static_cast<double>(args.start) + 0.5 * rows * (rows + 1);
  constexpr double kQuery = kPrefillNope + kLatentRope;
  constexpr double kExpanded = kPrefillNope + kPrefillV;
  return {.bytes = kHalf * (keys * (kLatentRank + kLatentRope) + heads * kExpanded * kLatentRank +
                            rows * heads * (kQuery + kPrefillV)),
          .flops = 2 * heads * (keys * kExpanded * kLatentRank + pairs * (kQuery + kPrefillV))};
}

KernelCost CostOf(const TopkSoftmaxCudaArgs& args, const StepFacts& /*facts*/) {
  return {.bytes = kWord * Product({args.rows, args.experts + 2 * args.chosen})};
}

KernelCost CostOf(const PlanDispatchCudaArgs& args, const StepFacts& /*facts*/) {
  return {.bytes = kWord * (2 * Product({args.rows, args.chosen}) +
                            Product({args.destinations, args.slot_rows, args.chosen + 1}))};
}

KernelCost CostOf(const GroupRowsCudaArgs& args, const StepFacts& /*facts*/) {
  return {.bytes = 3 * kWord * Product({args.rows, args.chosen})};
}

KernelCost CostOf(const GroupedFeedForwardCudaArgs& args, const StepFacts& facts) {
  const double matrices = 3 * Product({args.hidden, args.width});
  const double experts = args.num_experts == 1 ? 1 : facts.experts;
  return {.bytes = kHalf * (experts * matrices + 2 * Product({args.places, args.hidden})),
          .flops = 2 * static_cast<double>(args.places) * matrices};
}

KernelCost CostOf(const PlanReturnCudaArgs& args, const StepFacts& /*facts*/) {
  // Without slots the device alone knows how many places it reads: one for each pair, at least.
  const double pairs = args.first_pairs != nullptr
                           ? 2 * Product({args.most_pairs})
                           : Product({args.sources, args.slot_rows * args.chosen}) +
                                 Product({args.sources, args.slot_pairs});
  return {.bytes = kWord * pairs};
}

KernelCost CostOf(const CombineCudaArgs& args, const StepFacts& /*facts*/) {
  return {.bytes = kHalf * Product({args.rows, args.hidden, args.chosen + 3})};
}

KernelCost CostOf(const SampleCudaArgs& args, const StepFacts& /*facts*/) {
  return {.bytes = kHalf * Product({args.rows, args.vocab_size})};
}

}  // namespace sextant::cli
