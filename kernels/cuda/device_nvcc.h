// The primitives of device.h as instructions; sm_80 and later.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <utility>

#include "common/tensor/float_types.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/words.h"

#define SEXTANT_UNROLL _Pragma("unroll")
#define SEXTANT_UNROLL_BY_TWO _Pragma("unroll 2")
#define SEXTANT_DO_NOT_UNROLL _Pragma("unroll 1")

namespace sextant {

inline constexpr std::uint32_t kAllLanes = 0xffffffffU;

__device__ __forceinline__ int ThreadIndex() { return static_cast<int>(threadIdx.x); }
__device__ __forceinline__ int ThreadCount() { return static_cast<int>(blockDim.x); }
__device__ __forceinline__ int BlockIndexX() { return static_cast<int>(blockIdx.x); }
__device__ __forceinline__ int BlockIndexY() { return static_cast<int>(blockIdx.y); }
__device__ __forceinline__ int BlockCountX() { return static_cast<int>(gridDim.x); }

__device__ __forceinline__ void BlockBarrier() { __syncthreads(); }
__device__ __forceinline__ void WarpBarrier() { __syncwarp(); }

template <typename T>
__device__ __forceinline__ T ShuffleXor(T value, int mask) {
  return __shfl_xor_sync(kAllLanes, value, mask);
}
// The value of the lane `distance` below; lanes without one keep their own.
template <typename T>
__device__ __forceinline__ T ShuffleUp(T value, int distance) {
  return __shfl_up_sync(kAllLanes, value, static_cast<unsigned>(distance));
}
template <typename T>
__device__ __forceinline__ T ShuffleFrom(T value, int lane) {
  return __shfl_sync(kAllLanes, value, lane);
}
__device__ __forceinline__ std::uint32_t Ballot(bool flag) {
  return __ballot_sync(kAllLanes, flag ? 1 : 0);
}
__device__ __forceinline__ int CountBits(std::uint32_t bits) { return __popc(bits); }

// The same value, of which the compiler no longer knows that it does not change in a loop: what is
// computed of it is then computed again in every round, and takes no registers in between.
__device__ __forceinline__ int ForThisRound(int value) {
  asm volatile("" : "+r"(value));
  return value;
}

__device__ __forceinline__ std::uint32_t FloatBits(float value) { return __float_as_uint(value); }
__device__ __forceinline__ float FloatFromBits(std::uint32_t bits) { return __uint_as_float(bits); }
__device__ __forceinline__ std::uint64_t MultiplyHigh(std::uint64_t a, std::uint64_t b) {
  return __umul64hi(a, b);
}

// Two values as bf16, `low` in the lower half.
__device__ __forceinline__ std::uint32_t PackBf16(float low, float high) {
  std::uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}
__device__ __forceinline__ Bf16 NarrowToBf16(float value) {
  return Bf16{static_cast<std::uint16_t>(PackBf16(value, 0.0F))};
}
__device__ __forceinline__ float Widen(Bf16 value) {
  return __uint_as_float(static_cast<std::uint32_t>(value.bits) << 16);
}

__device__ __forceinline__ Words4 LoadWords(const void* from) {
  return *static_cast<const Words4*>(from);
}
// Of memory that no kernel writes meanwhile and that is read once: it does not stay in L1.
__device__ __forceinline__ Words4 LoadWordsOnce(const void* from) {
  Words4 v;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.w[0]), "=r"(v.w[1]), "=r"(v.w[2]), "=r"(v.w[3])
               : "l"(from));
  return v;
}
__device__ __forceinline__ void StoreWords(void* to, const Words4& value) {
  *static_cast<Words4*>(to) = value;
}

// Two bf16 neighbours, as PackBf16 makes them.
__device__ __forceinline__ void StorePair(Bf16* to, std::uint32_t pair) {
  *reinterpret_cast<std::uint32_t*>(to) = pair;
}

// Elements of the block's shared memory. Index checks exist under emulation only.
template <typename T>
class SharedSpan {
 public:
  __device__ explicit SharedSpan(T* data) : data_(data) {}
  __device__ __forceinline__ T Load(int i) const { return data_[i]; }
  __device__ __forceinline__ void Store(int i, T value) const { data_[i] = value; }
  __device__ __forceinline__ Words4 LoadWords(int i) const {
    return *reinterpret_cast<const Words4*>(data_ + i);
  }
  __device__ __forceinline__ void StoreWords(int i, const Words4& value) const {
    *reinterpret_cast<Words4*>(data_ + i) = value;
  }
  // Two neighbours, i even, of a 16-bit type.
  __device__ __forceinline__ void StorePair(int i, std::uint32_t value) const {
    *reinterpret_cast<std::uint32_t*>(data_ + i) = value;
  }
  __device__ __forceinline__ SharedSpan Slice(int begin, int) const {
    return SharedSpan(data_ + begin);
  }
  __device__ __forceinline__ std::uint32_t Address(int i) const {
    return static_cast<std::uint32_t>(__cvta_generic_to_shared(data_ + i));
  }
  __device__ __forceinline__ T* Pointer(int i) const { return data_ + i; }

 private:
  T* data_;
};

template <typename T>
__device__ __forceinline__ SharedSpan<T> BlockShared(int byte_offset, int) {
  extern __shared__ __align__(128) unsigned char sextant_shared_memory[];
  return SharedSpan<T>(reinterpret_cast<T*>(sextant_shared_memory + byte_offset));
}

// Copies 16 bytes, or stores zeros where not `valid`; `from` is not read then.
template <typename T>
__device__ __forceinline__ void CopyAsync16(SharedSpan<T> to, int i, const void* from, bool valid) {
  const int bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to.Address(i)), "l"(from),
               "r"(bytes)
               : "memory");
}
__device__ __forceinline__ void CopyAsyncCommit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
// Waits until at most `kPending` of the groups committed last are under way.
template <int kPending>
__device__ __forceinline__ void CopyAsyncWait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// Four 8x8 matrices of 16-bit values: lane l names row l % 8 of matrix l / 8 by its first element,
// and gets elements 2 (l % 4) and + 1 of row l / 4 of each.
template <typename T>
__device__ __forceinline__ void LoadMatrix4(std::uint32_t (&reg)[4], SharedSpan<T> from, int i) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(reg[0]), "=r"(reg[1]), "=r"(reg[2]), "=r"(reg[3])
               : "r"(from.Address(i))
               : "memory");
}
// The same, each matrix transposed.
template <typename T>
__device__ __forceinline__ void LoadMatrixTransposed4(std::uint32_t (&reg)[4], SharedSpan<T> from,
                                                      int i) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(reg[0]), "=r"(reg[1]), "=r"(reg[2]), "=r"(reg[3])
               : "r"(from.Address(i))
               : "memory");
}

// c += a b: a is 16x16, b 16x8, c 16x8 (PTX ISA, "Matrix Fragments for mma.m16n8k16"). With
// g = lane / 4, t = lane % 4: c[0], c[1] are row g, columns 2t, 2t + 1; c[2], c[3] row g + 8.
__device__ __forceinline__ void MmaBf16(float (&c)[4], const std::uint32_t (&a)[4],
                                        std::uint32_t b0, std::uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// What was there before.
__device__ __forceinline__ std::uint32_t AtomicAdd(SharedSpan<std::uint32_t> to, int i,
                                                   std::uint32_t value) {
  return atomicAdd(to.Pointer(i), value);
}
__device__ __forceinline__ void AtomicAdd(std::uint32_t* to, std::uint32_t value) {
  atomicAdd(to, value);
}
__device__ __forceinline__ void AtomicOr(std::uint32_t* to, std::uint32_t value) {
  atomicOr(to, value);
}

inline DeviceStatus StatusOf(cudaError_t error) {
  if (error == cudaSuccess) return {};
  return {DeviceError::kDevice, cudaGetErrorString(error)};
}

inline constexpr int kSharedBytesWithoutAsking = 48 * 1024;

template <typename... Parameters, typename... Arguments>
DeviceStatus Launch(DeviceStream stream, const LaunchShape& shape, void (*kernel)(Parameters...),
                    Arguments&&... arguments) {
  if (shape.shared_bytes > kSharedBytesWithoutAsking) {
    RETURN_IF_DEVICE_FAILED(StatusOf(cudaFuncSetAttribute(
        kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shape.shared_bytes)));
  }
  const dim3 grid(static_cast<unsigned>(shape.blocks_x), static_cast<unsigned>(shape.blocks_y));
  kernel<<<grid, static_cast<unsigned>(shape.threads), static_cast<std::size_t>(shape.shared_bytes),
           static_cast<cudaStream_t>(stream.handle)>>>(std::forward<Arguments>(arguments)...);
  return StatusOf(cudaGetLastError());
}

}  // namespace sextant
