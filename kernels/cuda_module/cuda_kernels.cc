#include "kernels/cuda_module/cuda_kernels.h"

namespace sextant {

const CudaKernels& LinkedCudaKernels() {
  static constexpr CudaKernels kKernels = {
      .embedding = EmbeddingCuda,
      .rms_norm = RmsNormCuda,
      .linear = LinearCuda,
      .write_latents = WriteLatentsCuda,
      .head_product = HeadProductCuda,
      .plan_decode = PlanDecodeCuda,
      .mla_decode = MlaDecodeCuda,
      .mla_prefill = MlaPrefillCuda,
      .topk_softmax = TopkSoftmaxCuda,
      .plan_dispatch = PlanDispatchCuda,
      .group_rows = GroupRowsCuda,
      .grouped_feed_forward = GroupedFeedForwardCuda,
      .plan_return = PlanReturnCuda,
      .combine = CombineCuda,
      .sample = SampleCuda,
      .fill_normal = FillNormalCuda,
      .read_ceiling = ReadCeilingCuda,
      .product_ceiling = ProductCeilingCuda,
  };
  return kKernels;
}

}  // namespace sextant
