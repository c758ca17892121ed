// The primitives of device.h for the C++ compiler, on fibers (block.h). Linked into tests only.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <utility>

#include "common/tensor/float_types.h"
#include "kernels/cuda/emulation/block.h"
#include "kernels/cuda/emulation/stream_queue.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/words.h"

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define SEXTANT_UNROLL
#define SEXTANT_UNROLL_BY_TWO
#define SEXTANT_DO_NOT_UNROLL

namespace sextant {

using emulation::Where;

inline int ThreadIndex() { return emulation::Block::Current().thread(); }
inline int ThreadCount() { return emulation::Block::Current().threads(); }
inline int BlockIndexX() { return emulation::Block::Current().block_x(); }
inline int BlockIndexY() { return emulation::Block::Current().block_y(); }
inline int BlockCountX() { return emulation::Block::Current().blocks_x(); }

inline void BlockBarrier(Where where = Where::Current()) {
  emulation::Block::Current().BlockBarrier(where);
}
inline void WarpBarrier(Where where = Where::Current()) {
  emulation::Block::Current().WarpBarrier(where);
}

namespace emulation {

inline int CurrentLane() { return Block::Current().thread() % kWarpSize; }

// The value that `lane` gives to this operation.
template <typename T>
T Shuffle(const char* operation, T value, int lane, Where where) {
  static_assert(sizeof(T) <= sizeof(Operands));
  Operands mine = {};
  std::memcpy(mine.data(), &value, sizeof(T));
  const auto& given = Block::Current().Exchange(operation, mine, where);
  std::memcpy(&value, given[static_cast<std::size_t>(lane)].data(), sizeof(T));
  return value;
}

}  // namespace emulation

template <typename T>
T ShuffleXor(T value, int mask, Where where = Where::Current()) {
  return emulation::Shuffle("ShuffleXor", value, emulation::CurrentLane() ^ mask, where);
}
template <typename T>
T ShuffleUp(T value, int distance, Where where = Where::Current()) {
  const int lane = emulation::CurrentLane();
  return emulation::Shuffle("ShuffleUp", value, lane < distance ? lane : lane - distance, where);
}
template <typename T>
T ShuffleFrom(T value, int lane, Where where = Where::Current()) {
  return emulation::Shuffle("ShuffleFrom", value, lane, where);
}
inline std::uint32_t Ballot(bool flag, Where where = Where::Current()) {
  const auto& given = emulation::Block::Current().Exchange("Ballot", {flag ? 1U : 0U}, where);
  std::uint32_t bits = 0;
  for (std::size_t lane = 0; lane < kWarpSize; ++lane) bits |= given[lane][0] << lane;
  return bits;
}
inline int CountBits(std::uint32_t bits) { return std::popcount(bits); }

inline int ForThisRound(int value) { return value; }

inline std::uint32_t FloatBits(float value) { return std::bit_cast<std::uint32_t>(value); }
inline float FloatFromBits(std::uint32_t bits) { return std::bit_cast<float>(bits); }
inline std::uint64_t MultiplyHigh(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(a) * b) >> 64);
}

inline float Widen(Bf16 value) { return ToFloat(value); }
inline Bf16 NarrowToBf16(float value) { return ToBf16(value); }
inline std::uint32_t PackBf16(float low, float high) {
  return static_cast<std::uint32_t>(ToBf16(low).bits) |
         static_cast<std::uint32_t>(ToBf16(high).bits) << 16;
}

inline Words4 LoadWords(const void* from) {
  return *static_cast<const Words4*>(from);  // UBSan sees a place that is not aligned
}
inline Words4 LoadWordsOnce(const void* from) { return LoadWords(from); }
inline void StoreWords(void* to, const Words4& value) { *static_cast<Words4*>(to) = value; }

inline void StorePair(Bf16* to, std::uint32_t pair) { std::memcpy(to, &pair, sizeof(pair)); }

template <typename T>
class SharedSpan {
 public:
  SharedSpan(int begin, int end)
      : begin_(static_cast<std::size_t>(begin)), end_(static_cast<std::size_t>(end)) {}

  T Load(int i, Where where = Where::Current()) const { return LoadAs<T>(i, where); }
  void Store(int i, T value, Where where = Where::Current()) const { StoreAs(i, value, where); }
  Words4 LoadWords(int i, Where where = Where::Current()) const { return LoadAs<Words4>(i, where); }
  void StoreWords(int i, const Words4& value, Where where = Where::Current()) const {
    StoreAs(i, value, where);
  }
  void StorePair(int i, std::uint32_t value, Where where = Where::Current()) const {
    static_assert(sizeof(T) == 2);
    StoreAs(i, value, where);
  }
  SharedSpan Slice(int begin, int count, Where where = Where::Current()) const {
    const std::size_t from = Place(begin);
    const std::size_t to = from + static_cast<std::size_t>(count) * sizeof(T);
    if (begin < 0 || count < 0 || to > end_) {
      emulation::Block::Current().Fail("a slice that reaches out of its span", where);
    }
    return SharedSpan(static_cast<int>(from), static_cast<int>(to));
  }

  // Byte offsets in the block's shared memory.
  [[nodiscard]] std::size_t Place(int i) const {
    return begin_ + static_cast<std::size_t>(i) * sizeof(T);
  }
  [[nodiscard]] std::size_t begin() const { return begin_; }
  [[nodiscard]] std::size_t end() const { return end_; }

 private:
  template <typename As>
  As LoadAs(int i, Where where) const {
    As value;
    std::memcpy(
        &value,
        emulation::Block::Current().Access(Place(i), sizeof(As), begin_, end_, false, where),
        sizeof(As));
    return value;
  }
  template <typename As>
  void StoreAs(int i, const As& value, Where where) const {
    std::memcpy(emulation::Block::Current().Access(Place(i), sizeof(As), begin_, end_, true, where),
                &value, sizeof(As));
  }

  std::size_t begin_;
  std::size_t end_;
};

template <typename T>
SharedSpan<T> BlockShared(int byte_offset, int count, Where where = Where::Current()) {
  const std::size_t end =
      static_cast<std::size_t>(byte_offset) + static_cast<std::size_t>(count) * sizeof(T);
  if (end > emulation::Block::Current().memory().size()) {
    emulation::Block::Current().Fail("more shared memory than the launch asked for", where);
  }
  return SharedSpan<T>(byte_offset, static_cast<int>(end));
}

template <typename T>
void CopyAsync16(SharedSpan<T> to, int i, const void* from, bool valid,
                 Where where = Where::Current()) {
  emulation::Block::Current().CopyAsync(to.Place(i), to.begin(), to.end(), from, valid, where);
}
inline void CopyAsyncCommit() { emulation::Block::Current().CopyAsyncCommit(); }
template <int kPending>
void CopyAsyncWait(Where where = Where::Current()) {
  emulation::Block::Current().CopyAsyncWait(kPending, where);
}

namespace emulation {

void LoadMatrices(std::uint32_t (&reg)[4], std::size_t row, std::size_t span_begin,
                  std::size_t span_end, bool transposed, Where where);
void Multiply(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1,
              Where where);

}  // namespace emulation

template <typename T>
void LoadMatrix4(std::uint32_t (&reg)[4], SharedSpan<T> from, int i,
                 Where where = Where::Current()) {
  emulation::LoadMatrices(reg, from.Place(i), from.begin(), from.end(), false, where);
}
template <typename T>
void LoadMatrixTransposed4(std::uint32_t (&reg)[4], SharedSpan<T> from, int i,
                           Where where = Where::Current()) {
  emulation::LoadMatrices(reg, from.Place(i), from.begin(), from.end(), true, where);
}
inline void MmaBf16(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1,
                    Where where = Where::Current()) {
  emulation::Multiply(c, a, b0, b1, where);
}

inline std::uint32_t AtomicAdd(SharedSpan<std::uint32_t> to, int i, std::uint32_t value,
                               Where where = Where::Current()) {
  std::byte* at = emulation::Block::Current().AccessAtomically(to.Place(i), sizeof(value),
                                                               to.begin(), to.end(), where);
  std::uint32_t before;
  std::memcpy(&before, at, sizeof(before));
  const std::uint32_t after = before + value;
  std::memcpy(at, &after, sizeof(after));
  return before;
}
inline void AtomicAdd(std::uint32_t* to, std::uint32_t value) { *to += value; }
inline void AtomicOr(std::uint32_t* to, std::uint32_t value) { *to |= value; }

// At once on the default stream; on another when that is waited for, with the arguments as they are
// now.
template <typename... Parameters, typename... Arguments>
DeviceStatus Launch(DeviceStream stream, const LaunchShape& shape, void (*kernel)(Parameters...),
                    Arguments&&... arguments) {
  const auto run = [shape, kernel,
                    given = std::tuple<Parameters...>(std::forward<Arguments>(arguments)...)] {
    return emulation::Block::Current().Run(shape, [&] { std::apply(kernel, given); });
  };
  if (stream.handle == nullptr) return run();
  RETURN_IF_DEVICE_FAILED(emulation::Block::Current().Check(shape));
  return static_cast<emulation::StreamQueue*>(stream.handle)->Add({run, nullptr});
}

}  // namespace sextant
