// The primitives that device code is written in; included by .cu and .cuh files alone.
//
// One set of names with two meanings: instructions of the GPU where nvcc compiles, and fibers of
// the emulator where the C++ compiler does (kernels/README.md, "CUDA"). Blocks are one-dimensional
// and made of whole warps; every warp operation is one of all 32 lanes.
//
//   ThreadIndex() ThreadCount() BlockIndexX() BlockIndexY() BlockCountX()  where a thread is
//   BlockBarrier() WarpBarrier()         wait for all threads, and see their writes
//   ShuffleXor(v, mask) ShuffleUp(v, d) ShuffleFrom(v, lane) Ballot(flag)  values between lanes
//   SharedSpan<T> BlockShared<T>(byte_offset, count)    the block's shared memory
//   CopyAsync16(span, i, from, valid) CopyAsyncCommit() CopyAsyncWait<N>() cp.async
//   LoadMatrix4(reg, span, i) LoadMatrixTransposed4(reg, span, i)          ldmatrix.x4
//   MmaBf16(c, a, b)                     mma.m16n8k16, bf16 operands, f32 sums
//   Widen(bf16) NarrowToBf16(f32) PackBf16(low, high)   conversions, to nearest, ties to even
//   LoadWords(p) LoadWordsOnce(p) StoreWords(p, v)      16 bytes of global memory
//   StorePair(p, pair)                   two bf16 of it
//   AtomicAdd(span, i, v) AtomicAdd(p, v) AtomicOr(p, v)   of integers: sums of floats have an
//   order SEXTANT_UNROLL                       before a loop whose counter indexes registers
//   Launch(stream, shape, kernel, arguments...)     on the host
#pragma once

#ifdef __CUDACC__
#include "kernels/cuda/device_nvcc.h"
#else
#include "kernels/cuda/emulation/device_emulated.h"
#endif
