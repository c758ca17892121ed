// Every operation of the model on a GPU, as a table: what a program that was built without CUDA
// gets out of the module, and tests out of the emulator.
#pragma once

#include "kernels/ceiling/ceiling_cuda.h"
#include "kernels/embedding/embedding_cuda.h"
#include "kernels/exchange/plan_dispatch_cuda.h"
#include "kernels/exchange/plan_return_cuda.h"
#include "kernels/feed_forward/grouped_feed_forward_cuda.h"
#include "kernels/linear/linear_cuda.h"
#include "kernels/mla/head_product_cuda.h"
#include "kernels/mla/mla_decode_cuda.h"
#include "kernels/mla/mla_prefill_cuda.h"
#include "kernels/mla/write_latents_cuda.h"
#include "kernels/moe/combine_cuda.h"
#include "kernels/moe/group_rows_cuda.h"
#include "kernels/moe/topk_softmax_cuda.h"
#include "kernels/norm/rms_norm_cuda.h"
#include "kernels/random/fill_normal_cuda.h"
#include "kernels/sampling/sample_cuda.h"

namespace sextant {

template <typename Args>
using DeviceOperation = DeviceStatus (*)(DeviceStream stream, const Args& args);

struct CudaKernels {
  DeviceOperation<EmbeddingCudaArgs> embedding;
  DeviceOperation<RmsNormCudaArgs> rms_norm;
  DeviceOperation<LinearCudaArgs> linear;
  DeviceOperation<WriteLatentsCudaArgs> write_latents;
  DeviceOperation<HeadProductCudaArgs> head_product;
  DeviceOperation<PlanDecodeCudaArgs> plan_decode;
  DeviceOperation<MlaDecodeCudaArgs> mla_decode;
  DeviceOperation<MlaPrefillCudaArgs> mla_prefill;
  DeviceOperation<TopkSoftmaxCudaArgs> topk_softmax;
  DeviceOperation<PlanDispatchCudaArgs> plan_dispatch;
  DeviceOperation<GroupRowsCudaArgs> group_rows;
  DeviceOperation<GroupedFeedForwardCudaArgs> grouped_feed_forward;
  DeviceOperation<PlanReturnCudaArgs> plan_return;
  DeviceOperation<CombineCudaArgs> combine;
  DeviceOperation<SampleCudaArgs> sample;
  DeviceOperation<FillNormalCudaArgs> fill_normal;
  DeviceOperation<ReadCeilingCudaArgs> read_ceiling;
  DeviceOperation<ProductCeilingCudaArgs> product_ceiling;
};

// Those that are linked in.
[[nodiscard]] const CudaKernels& LinkedCudaKernels();

}  // namespace sextant
