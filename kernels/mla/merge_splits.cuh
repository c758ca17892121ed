// The second half of MlaDecodeCuda.
#pragma once

#include "kernels/mla/mla_decode_cuda.h"

namespace sextant {

// u of every row and head from the partial results of its splits, in their order.
DeviceStatus MergeSplits(DeviceStream stream, const MlaDecodeCudaArgs& args);

}  // namespace sextant
