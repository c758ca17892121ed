// What one kernel of a step reads and writes of the GPU's memory at least, and how often it
// multiplies and adds (two for each pair): what its own share of the ceilings is measured by.
#pragma once

#include "cli/engine/kernel_clock.h"

namespace sextant::cli {

[[nodiscard]] KernelCost CostOf(const EmbeddingCudaArgs& args, const StepFacts& facts);
[[nodiscard]] KernelCost CostOf(const RmsNormCudaArgs& args, const StepFacts& facts);
[[nodiscard]] KernelCost CostOf(const LinearCudaArgs& args, const StepFacts& facts);
[[nodiscard]] KernelCost CostOf(const WriteLatentsCudaArgs& args, const StepFacts& facts);
[[nodiscard]] KernelCost CostOf(const HeadProductCudaArgs& args, const StepFacts& facts);
[[nodiscard]] KernelCost CostOf(const PlanDecodeCudaArgs& args, const StepFacts& facts);
[[nodiscard]] KernelCost CostOf(const MlaDecodeCudaArgs& args, const StepFacts& facts);
[[nodiscard]] KernelCost CostOf(const MlaPrefillCudaArgs& args, const StepFacts& facts);
[[nodiscard]] KernelCost CostOf(const TopkSoftmaxCudaArgs& args, const StepFacts& facts);
[[nodiscard]] KernelCost CostOf(const PlanDispatchCudaArgs& args, const StepFacts& facts);
[[nodiscard]] KernelCost CostOf(const GroupRowsCudaArgs& args, const StepFacts& facts);
[[nodiscard]] KernelCost CostOf(const GroupedFeedForwardCudaArgs& args, const StepFacts& facts);
[[nodiscard]] KernelCost CostOf(const PlanReturnCudaArgs& args, const StepFacts& facts);
[[nodiscard]] KernelCost CostOf(const CombineCudaArgs& args, const StepFacts& facts);
[[nodiscard]] KernelCost CostOf(const SampleCudaArgs& args, const StepFacts& facts);

}  // namespace sextant::cli
