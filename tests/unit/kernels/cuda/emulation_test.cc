// Shows that the emulator computes what the PTX ISA says, and finds the faults that it must find.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/cuda/device.h"
#include "kernels/cuda/reduce.cuh"

namespace sextant {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// What the emulator says of a kernel; empty: nothing.
template <typename Kernel, typename... Arguments>
std::string Fault(const LaunchShape& shape, Kernel kernel, Arguments... arguments) {
  const DeviceStatus status = Launch({}, shape, kernel, arguments...);
  if (status.ok()) return {};
  EXPECT_EQ(status.error, DeviceError::kEmulation);
  return status.message;
}

void WriteIndices(int* to) {
  const int place = (BlockIndexY() * BlockCountX() + BlockIndexX()) * ThreadCount() + ThreadIndex();
  to[place] = 1000 * BlockIndexY() + 100 * BlockIndexX() + ThreadIndex();
}

TEST(EmulationTest, RunsEveryThreadOfEveryBlock) {
  std::vector<int> to(std::size_t{2} * 3 * 64, -1);
  EXPECT_THAT(Fault({.blocks_x = 3, .blocks_y = 2, .threads = 64}, WriteIndices, to.data()),
              IsEmpty());
  for (int y = 0; y < 2; ++y) {
    for (int x = 0; x < 3; ++x) {
      for (int t = 0; t < 64; ++t) {
        EXPECT_EQ(to[static_cast<std::size_t>((y * 3 + x) * 64 + t)], 1000 * y + 100 * x + t);
      }
    }
  }
}

void SumAndShift(int* to) {
  const int sum = BlockSum(ThreadIndex(), BlockShared<int>(0, kReduceSlots));
  const int below = ShuffleUp(ThreadIndex(), 2);
  const std::uint32_t odd = Ballot(ThreadIndex() % 2 == 1);
  to[ThreadIndex()] = sum + 1000000 * (below - ThreadIndex() + 2) + (odd == 0xaaaaaaaaU ? 0 : 1);
}

TEST(EmulationTest, WarpOperationsGiveWhatTheLanesGave) {
  std::vector<int> to(128);
  EXPECT_THAT(Fault({.threads = 128, .shared_bytes = kReduceBytes<int>}, SumAndShift, to.data()),
              IsEmpty());
  for (int t = 0; t < 128; ++t) {
    EXPECT_EQ(to[static_cast<std::size_t>(t)], 8128 + (t % 32 < 2 ? 2000000 : 0)) << t;
  }
}

// to = a b of 16x16 times 16x8, the operands out of shared memory as kernels load them.
void MultiplyMatrices(const Bf16* a, const Bf16* b_transposed, const Bf16* b, float* to) {
  const auto memory = BlockShared<Bf16>(0, 16 * 16 + 8 * 16 + 16 * 8);
  const auto left = memory.Slice(0, 256);
  const auto right = memory.Slice(256, 128);
  const auto right_rows = memory.Slice(384, 128);
  const int lane = ThreadIndex();
  for (int i = lane; i < 256; i += 32) left.Store(i, a[i]);
  if (lane < 16) CopyAsync16(right, lane * 8, b_transposed + lane * 8, true);
  for (int i = lane; i < 128; i += 32) right_rows.Store(i, b[i]);
  CopyAsyncCommit();
  CopyAsyncWait<0>();
  WarpBarrier();
  std::uint32_t rows[4];
  std::uint32_t cols[4];
  std::uint32_t same[4];
  LoadMatrix4(rows, left, lane % 16 * 16 + lane / 16 * 8);
  LoadMatrix4(cols, right, lane % 8 * 16 + lane / 8 % 2 * 8);
  LoadMatrixTransposed4(same, right_rows, lane % 16 * 8);
  float sums[4] = {0, 0, 0, 0};
  MmaBf16(sums, rows, cols[0], cols[1]);
  MmaBf16(sums, rows, same[0], same[1]);
  for (int i = 0; i < 4; ++i) {
    to[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = sums[i];
  }
}

TEST(EmulationTest, MatricesMultiply) {
  std::vector<Bf16> a(256);
  std::vector<Bf16> b(128);
  std::vector<Bf16> b_transposed(128);
  for (int i = 0; i < 256; ++i) {
    a[static_cast<std::size_t>(i)] = ToBf16(static_cast<float>(i * 7 % 23 - 11));
  }
  for (int k = 0; k < 16; ++k) {
    for (int n = 0; n < 8; ++n) {
      const Bf16 value = ToBf16(static_cast<float>((k * 5 + n * 3) % 17 - 8));
      b[static_cast<std::size_t>(k * 8 + n)] = value;
      b_transposed[static_cast<std::size_t>(n * 16 + k)] = value;
    }
  }
  std::vector<float> to(128);
  EXPECT_THAT(Fault({.threads = 32, .shared_bytes = 1024}, MultiplyMatrices, a.data(),
                    b_transposed.data(), b.data(), to.data()),
              IsEmpty());
  for (std::size_t row = 0; row < 16; ++row) {
    for (std::size_t col = 0; col < 8; ++col) {
      float sum = 0.0F;
      for (std::size_t k = 0; k < 16; ++k)
        sum += ToFloat(a[row * 16 + k]) * ToFloat(b[k * 8 + col]);
      EXPECT_EQ(to[row * 8 + col], 2.0F * sum) << row << ", " << col;
    }
  }
}

void SkipBarrier() {
  if (ThreadIndex() < 40) BlockBarrier();
}

TEST(EmulationTest, FindsABarrierThatThreadsPassBy) {
  EXPECT_THAT(Fault({.threads = 64}, SkipBarrier), HasSubstr("24 of 64 threads have ended"));
}

void TwoBarriers() {
  if (ThreadIndex() < 32) {
    BlockBarrier();
  } else {
    BlockBarrier();
  }
}

TEST(EmulationTest, FindsDifferentBarriers) {
  EXPECT_THAT(Fault({.threads = 64}, TwoBarriers), HasSubstr("different barriers"));
}

void DivergentShuffle(int* to) {
  if (ThreadIndex() % 2 == 0) {
    to[ThreadIndex()] = ShuffleXor(1, 1);
  } else {
    WarpBarrier();
  }
}

TEST(EmulationTest, FindsLanesThatDiverge) {
  std::vector<int> to(32);
  EXPECT_THAT(Fault({.threads = 32}, DivergentShuffle, to.data()), HasSubstr("diverge"));
}

void BeyondTheEnd(int index) { BlockShared<float>(0, 8).Store(index, 1.0F); }

TEST(EmulationTest, FindsSharedMemoryOutOfBounds) {
  EXPECT_THAT(Fault({.threads = 32, .shared_bytes = 64}, BeyondTheEnd, 8),
              HasSubstr("out of bounds"));
  EXPECT_THAT(Fault({.threads = 32, .shared_bytes = 64}, BeyondTheEnd, -1),
              HasSubstr("out of bounds"));
  EXPECT_THAT(Fault({.threads = 32, .shared_bytes = 16}, BeyondTheEnd, 0),
              HasSubstr("more shared memory than"));
}

// Thread 0 writes, others read; `barrier` says what is between.
void WriteAndRead(int barrier, int reader, float* to) {
  const auto shared = BlockShared<float>(0, 1);
  if (ThreadIndex() == 0) shared.Store(0, 5.0F);
  if (barrier == 1) WarpBarrier();
  if (barrier == 2) BlockBarrier();
  if (ThreadIndex() == reader) *to = shared.Load(0);
}

TEST(EmulationTest, FindsRacesForSharedMemory) {
  float read = 0.0F;
  const auto fault = [&](int barrier, int reader) {
    return Fault({.threads = 64, .shared_bytes = 4}, WriteAndRead, barrier, reader, &read);
  };
  EXPECT_THAT(fault(0, 0), IsEmpty());
  EXPECT_THAT(fault(0, 1), HasSubstr("race"));
  EXPECT_THAT(fault(1, 1), IsEmpty());
  EXPECT_THAT(fault(1, 33), HasSubstr("race"));
  EXPECT_THAT(fault(2, 33), IsEmpty());
  EXPECT_EQ(read, 5.0F);
}

void ReadAndWrite(bool barrier) {
  const auto shared = BlockShared<float>(0, 64);
  shared.Store(ThreadIndex(), 1.0F);
  BlockBarrier();
  (void)shared.Load((ThreadIndex() + 32) % 64);
  if (barrier) BlockBarrier();
  shared.Store(ThreadIndex(), 2.0F);
}

TEST(EmulationTest, FindsAWriteToWhatIsStillRead) {
  EXPECT_THAT(Fault({.threads = 64, .shared_bytes = 256}, ReadAndWrite, false), HasSubstr("race"));
  EXPECT_THAT(Fault({.threads = 64, .shared_bytes = 256}, ReadAndWrite, true), IsEmpty());
}

void ReadCopy(bool waits, const Words4* from, float* to) {
  const auto shared = BlockShared<float>(0, 4);
  if (ThreadIndex() == 0) {
    CopyAsync16(shared, 0, from, true);
    CopyAsyncCommit();
    if (waits) CopyAsyncWait<0>();
    *to = shared.Load(0);
    if (!waits) CopyAsyncWait<0>();
  }
}

TEST(EmulationTest, CopiesArriveWhenTheyAreWaitedFor) {
  const Words4 from{{FloatBits(3.0F), 0, 0, 0}};
  float read = 0.0F;
  EXPECT_THAT(Fault({.threads = 32, .shared_bytes = 16}, ReadCopy, true, &from, &read), IsEmpty());
  EXPECT_EQ(read, 3.0F);
  EXPECT_THAT(Fault({.threads = 32, .shared_bytes = 16}, ReadCopy, false, &from, &read), IsEmpty());
  EXPECT_NE(read, read);  // unwritten memory is NaN
}

void LoadRows(int stride) {
  const auto memory = BlockShared<Bf16>(0, 8 * stride + 8);
  for (int i = ThreadIndex(); i < 8 * stride + 8; i += 32) memory.Store(i, Bf16{0});
  WarpBarrier();
  std::uint32_t reg[4];
  LoadMatrix4(reg, memory, ThreadIndex() % 8 * stride);
}

TEST(EmulationTest, CountsRowsThatMeetABankTwice) {
  const auto conflicts = [](int stride) {
    (void)emulation::Block::Current().TakeTraffic();
    EXPECT_THAT(Fault({.threads = 32, .shared_bytes = 2 * (8 * stride + 8)}, LoadRows, stride),
                IsEmpty());
    const emulation::Traffic traffic = emulation::Block::Current().TakeTraffic();
    EXPECT_EQ(traffic.matrix_rows, 32);
    return traffic.conflicting_rows;
  };
  EXPECT_EQ(conflicts(64), 4 * 7);  // rows 128 bytes apart
  EXPECT_EQ(conflicts(72), 0);
  EXPECT_EQ(conflicts(16), 4 * 4);  // 32 bytes apart: two rows to a place
}

TEST(EmulationTest, RefusesLaunchesThatNoGpuTakes) {
  EXPECT_THAT(Fault({.threads = 33}, SkipBarrier), HasSubstr("33 threads"));
  EXPECT_THAT(Fault({.blocks_x = 0, .threads = 32}, SkipBarrier), HasSubstr("0 x 1 blocks"));
  EXPECT_THAT(Fault({.threads = 32, .shared_bytes = 200000}, SkipBarrier), HasSubstr("200000"));
}

}  // namespace
}  // namespace sextant
