#include "kernels/cuda/arguments.h"
#include "kernels/cuda/device.h"
#include "kernels/embedding/embedding_cuda.h"

namespace sextant {
namespace {

constexpr int kThreads = 128;

__global__ void __launch_bounds__(kThreads) EmbeddingKernel(EmbeddingCudaArgs args) {
  const std::int64_t row = BlockIndexX();
  if (args.live_rows != nullptr && row >= *args.live_rows) return;
  const std::int64_t at = (std::int64_t{BlockIndexY()} * kThreads + ThreadIndex()) * kBf16PerWords;
  if (at >= args.hidden) return;
  const std::int64_t id = args.ids[row * args.id_stride];
  Words4 words = {};
  if (id >= 0 && id < args.vocab_size) words = LoadWords(args.table + id * args.hidden + at);
  StoreWords(args.rows_out + row * args.hidden + at, words);
}

}  // namespace

DeviceStatus EmbeddingCuda(DeviceStream stream, const EmbeddingCudaArgs& args) {
  if (args.hidden < kBf16PerWords || args.hidden % kBf16PerWords != 0 || args.id_stride < 1) {
    return RefuseLaunch("Embedding: rows must have a multiple of 8 values, ids a stride");
  }
  if (!IsAligned(args.table) || !IsAligned(args.rows_out)) {
    return RefuseLaunch("Embedding: rows must be aligned to 16 bytes");
  }
  if (args.rows == 0) return {};
  return Launch(stream,
                {.blocks_x = args.rows,
                 .blocks_y = DivideUp(args.hidden, std::int64_t{kThreads} * kBf16PerWords),
                 .threads = kThreads},
                EmbeddingKernel, args);
}

}  // namespace sextant
