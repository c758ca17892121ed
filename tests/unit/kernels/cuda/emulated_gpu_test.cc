// Shows that the emulated GPU does nothing before somebody waits, and refuses what CUDA would.
#include "tests/support/device/emulated_gpu.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/cuda/device.h"

namespace sextant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::int64_t kInts = 4;
constexpr std::int64_t kBytes = kInts * std::int64_t{sizeof(int)};

void AddToAll(int* values, int more) {
  if (ThreadIndex() < kInts) values[ThreadIndex()] += more;
}

void PassABarrierBy() {
  if (ThreadIndex() < 40) BlockBarrier();
}

// A GPU with a stream, and four integers there and in pinned memory.
class EmulatedGpuTest : public testing::Test {
 protected:
  EmulatedGpuTest() {
    EXPECT_TRUE(gpu_.CreateStream(&stream_).ok());
    void* memory = nullptr;
    EXPECT_TRUE(gpu_.Allocate(kBytes, &memory).ok());
    there_ = static_cast<int*>(memory);
    EXPECT_TRUE(gpu_.AllocatePinned(kBytes, &memory).ok());
    here_ = static_cast<int*>(memory);
  }
  ~EmulatedGpuTest() override {
    gpu_.FreePinned(here_);
    gpu_.Free(there_);
    gpu_.DestroyStream(stream_);
  }

  void Write(int value) {
    for (std::int64_t i = 0; i < kInts; ++i) here_[i] = value;
  }
  [[nodiscard]] std::vector<int> Here() const { return {here_, here_ + kInts}; }
  DeviceStatus CopyIn() { return gpu_.CopyIn(stream_, there_, here_, kBytes); }
  DeviceStatus CopyOut() { return gpu_.CopyOut(stream_, here_, there_, kBytes); }
  DeviceStatus Add(int more) { return Launch(stream_, {.threads = 32}, AddToAll, there_, more); }

  EmulatedGpu gpu_{1 << 20};
  DeviceStream stream_;
  int* there_ = nullptr;
  int* here_ = nullptr;
};

TEST_F(EmulatedGpuTest, FreshMemoryIsNoNumber) {
  EXPECT_THAT(Here(), ElementsAre(-1, -1, -1, -1));
  Write(0);
  ASSERT_TRUE(CopyOut().ok());
  ASSERT_TRUE(gpu_.Synchronize(stream_).ok());
  EXPECT_THAT(Here(), ElementsAre(-1, -1, -1, -1));
}

TEST_F(EmulatedGpuTest, NothingHappensBeforeSomebodyWaits) {
  Write(1);
  ASSERT_TRUE(CopyIn().ok());
  Write(5);  // too early: this is what the copy finds
  ASSERT_TRUE(Add(10).ok());
  ASSERT_TRUE(CopyOut().ok());
  EXPECT_THAT(Here(), ElementsAre(5, 5, 5, 5));
  ASSERT_TRUE(gpu_.Synchronize(stream_).ok());
  EXPECT_THAT(Here(), ElementsAre(15, 15, 15, 15));
}

TEST_F(EmulatedGpuTest, TheDefaultStreamDoesThingsAtOnce) {
  const std::vector<int> from = {1, 2, 3, 4};
  std::vector<int> to(4);
  ASSERT_TRUE(gpu_.CopyIn({}, there_, from.data(), kBytes).ok());
  ASSERT_TRUE(Launch({}, {.threads = 32}, AddToAll, there_, 1).ok());
  ASSERT_TRUE(gpu_.CopyOut({}, to.data(), there_, kBytes).ok());
  EXPECT_THAT(to, ElementsAre(2, 3, 4, 5));
  ASSERT_TRUE(gpu_.FillZeros({}, there_ + 1, 8).ok());
  ASSERT_TRUE(gpu_.CopyWithin({}, there_ + 3, there_ + 1, 4).ok());
  ASSERT_TRUE(gpu_.CopyOut({}, to.data(), there_, kBytes).ok());
  EXPECT_THAT(to, ElementsAre(2, 0, 0, 0));
}

TEST_F(EmulatedGpuTest, WaitingForAnEventDoesWhatLiesBeforeIt) {
  DeviceEvent begin;
  DeviceEvent end;
  ASSERT_TRUE(gpu_.CreateEvent(&begin).ok());
  ASSERT_TRUE(gpu_.CreateEvent(&end).ok());
  EXPECT_TRUE(gpu_.WaitFor(begin).ok());  // never recorded
  double seconds = -1;
  Write(0);
  ASSERT_TRUE(CopyIn().ok());
  ASSERT_TRUE(gpu_.Record(stream_, begin).ok());
  ASSERT_TRUE(Add(1).ok());
  ASSERT_TRUE(CopyOut().ok());
  ASSERT_TRUE(gpu_.Record(stream_, end).ok());
  ASSERT_TRUE(Add(1).ok());
  ASSERT_TRUE(CopyOut().ok());
  ASSERT_TRUE(gpu_.WaitFor(begin).ok());
  EXPECT_THAT(Here(), ElementsAre(0, 0, 0, 0));
  EXPECT_EQ(gpu_.SecondsBetween(begin, end, &seconds).error, DeviceError::kDevice);
  ASSERT_TRUE(gpu_.WaitFor(end).ok());
  EXPECT_THAT(Here(), ElementsAre(1, 1, 1, 1));
  ASSERT_TRUE(gpu_.SecondsBetween(begin, end, &seconds).ok());
  EXPECT_GT(seconds, 0);
  ASSERT_TRUE(gpu_.Record(stream_, begin).ok());  // the moment that counts is the last
  ASSERT_TRUE(gpu_.WaitFor(begin).ok());
  EXPECT_THAT(Here(), ElementsAre(2, 2, 2, 2));
  gpu_.DestroyEvent(begin);
  gpu_.DestroyEvent(end);
}

TEST_F(EmulatedGpuTest, AnEventOutlivesItsStream) {
  DeviceStream other;
  DeviceEvent event;
  ASSERT_TRUE(gpu_.CreateStream(&other).ok());
  ASSERT_TRUE(gpu_.CreateEvent(&event).ok());
  ASSERT_TRUE(gpu_.Record(other, event).ok());
  ASSERT_TRUE(gpu_.Synchronize(other).ok());
  gpu_.DestroyStream(other);
  EXPECT_TRUE(gpu_.WaitFor(event).ok());
  gpu_.DestroyEvent(event);
}

TEST_F(EmulatedGpuTest, MemoryRunsOutAndComesBack) {
  void* memory = nullptr;
  EXPECT_EQ(gpu_.allocated_bytes(), kBytes);
  EXPECT_EQ(gpu_.Allocate(1 << 20, &memory).error, DeviceError::kOutOfMemory);
  EXPECT_EQ(gpu_.Allocate(0, &memory).error, DeviceError::kInvalidArgument);
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(gpu_.Allocate((1 << 20) - kBytes, &memory).ok());
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory) % 256, 0U);
    GpuInfo info;
    ASSERT_TRUE(gpu_.Describe(&info).ok());
    EXPECT_EQ(info.total_bytes, 1 << 20);
    EXPECT_EQ(info.free_bytes, 0);
    gpu_.Free(memory);
  }
}

TEST_F(EmulatedGpuTest, FaultsShowAtTheWaitAndStay) {
  ASSERT_TRUE(Launch(stream_, {.threads = 64}, PassABarrierBy).ok());
  ASSERT_TRUE(CopyOut().ok());
  Write(3);
  for (int round = 0; round < 2; ++round) {
    const DeviceStatus status = gpu_.Synchronize(stream_);
    EXPECT_EQ(status.error, DeviceError::kEmulation);
    EXPECT_THAT(std::string(status.message), HasSubstr("24 of 64 threads have ended"));
  }
  EXPECT_THAT(Here(), ElementsAre(3, 3, 3, 3));  // what came after did not happen
  EXPECT_EQ(Add(1).error, DeviceError::kEmulation);
  void* memory = nullptr;
  EXPECT_EQ(gpu_.Allocate(16, &memory).error, DeviceError::kEmulation);
}

TEST_F(EmulatedGpuTest, LaunchesThatNoGpuTakesAreRefusedAtOnce) {
  EXPECT_THAT(std::string(Launch(stream_, {.threads = 33}, PassABarrierBy).message),
              HasSubstr("33 threads"));
  EXPECT_TRUE(gpu_.Synchronize(stream_).ok());
}

TEST_F(EmulatedGpuTest, AGraphDoesWhatWasCapturedAtEveryLaunch) {
  Write(0);
  ASSERT_TRUE(CopyIn().ok());
  ASSERT_TRUE(gpu_.Synchronize(stream_).ok());
  DeviceEvent event;
  ASSERT_TRUE(gpu_.CreateEvent(&event).ok());
  ASSERT_TRUE(gpu_.BeginCapture(stream_).ok());
  int more = 7;
  ASSERT_TRUE(Add(more).ok());
  more = 100;
  ASSERT_TRUE(CopyOut().ok());
  ASSERT_TRUE(gpu_.Record(stream_, event).ok());
  DeviceGraph graph;
  ASSERT_TRUE(gpu_.EndCapture(stream_, &graph).ok());
  ASSERT_TRUE(gpu_.Synchronize(stream_).ok());
  EXPECT_THAT(Here(), ElementsAre(0, 0, 0, 0));
  for (const int sum : {7, 14}) {
    ASSERT_TRUE(gpu_.Launch(stream_, graph).ok());
    EXPECT_THAT(Here(), ElementsAre(sum - 7, sum - 7, sum - 7, sum - 7));
    ASSERT_TRUE(gpu_.WaitFor(event).ok());
    EXPECT_THAT(Here(), ElementsAre(sum, sum, sum, sum));
  }
  gpu_.DestroyGraph(graph);
  gpu_.DestroyEvent(event);
}

TEST_F(EmulatedGpuTest, RefusesWhatCannotBeCaptured) {
  DeviceStream other;
  DeviceEvent event;
  ASSERT_TRUE(gpu_.CreateStream(&other).ok());
  ASSERT_TRUE(gpu_.CreateEvent(&event).ok());
  std::vector<int> pageable(4);
  void* memory = nullptr;
  const std::vector<std::pair<const char*, std::function<DeviceStatus()>>> operations = {
      {"waiting", [&] { return gpu_.Synchronize(stream_); }},
      {"waiting elsewhere", [&] { return gpu_.Synchronize(other); }},
      {"waiting for an event", [&] { return gpu_.WaitFor(event); }},
      {"allocating", [&] { return gpu_.Allocate(16, &memory); }},
      {"pinning", [&] { return gpu_.AllocatePinned(16, &memory); }},
      {"copying in", [&] { return gpu_.CopyIn(stream_, there_, pageable.data(), kBytes); }},
      {"copying out", [&] { return gpu_.CopyOut(stream_, pageable.data(), there_, kBytes); }},
      {"capturing", [&] { return gpu_.BeginCapture(stream_); }},
  };
  DeviceGraph graph;
  for (const auto& [name, operation] : operations) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(gpu_.BeginCapture(stream_).ok());
    EXPECT_EQ(operation().error, DeviceError::kDevice);
    EXPECT_EQ(gpu_.EndCapture(stream_, &graph).error, DeviceError::kDevice);
  }
  EXPECT_EQ(gpu_.EndCapture(stream_, &graph).error, DeviceError::kDevice);
  EXPECT_EQ(gpu_.BeginCapture({}).error, DeviceError::kDevice);
  ASSERT_TRUE(gpu_.BeginCapture(stream_).ok());  // and what was refused leaves nothing behind
  ASSERT_TRUE(gpu_.EndCapture(stream_, &graph).ok());
  gpu_.DestroyGraph(graph);
  gpu_.DestroyEvent(event);
  gpu_.DestroyStream(other);
}

TEST_F(EmulatedGpuTest, ThreadsUseTheirStreamsAtOnce) {
  std::vector<std::thread> threads;
  for (int thread = 1; thread <= 3; ++thread) {
    threads.emplace_back([this, thread] {
      const std::vector<int> from(kInts, thread);
      std::vector<int> to(kInts);
      for (int round = 0; round < 50; ++round) {
        DeviceStream stream;
        DeviceEvent event;
        void* memory = nullptr;
        ASSERT_TRUE(gpu_.CreateStream(&stream).ok());
        ASSERT_TRUE(gpu_.CreateEvent(&event).ok());
        ASSERT_TRUE(gpu_.Allocate(kBytes, &memory).ok());
        ASSERT_TRUE(gpu_.CopyIn(stream, memory, from.data(), kBytes).ok());
        ASSERT_TRUE(Launch(stream, {.threads = 32}, AddToAll, static_cast<int*>(memory), 1).ok());
        ASSERT_TRUE(gpu_.CopyOut(stream, to.data(), memory, kBytes).ok());
        ASSERT_TRUE(gpu_.Record(stream, event).ok());
        ASSERT_TRUE(gpu_.WaitFor(event).ok());
        EXPECT_EQ(to, std::vector<int>(kInts, thread + 1));
        gpu_.Free(memory);
        gpu_.DestroyStream(stream);
        gpu_.DestroyEvent(event);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(EmulatedGpuTest, RefusesCopiesThatReachOutOfItsMemory) {
  for (const std::int64_t bytes : {kBytes + 1, std::int64_t{-1}}) {
    EXPECT_EQ(gpu_.CopyIn(stream_, there_, here_, bytes).error, DeviceError::kInvalidArgument);
    EXPECT_EQ(gpu_.CopyOut(stream_, here_, there_, bytes).error, DeviceError::kInvalidArgument);
    EXPECT_EQ(gpu_.FillZeros(stream_, there_, bytes).error, DeviceError::kInvalidArgument);
  }
  EXPECT_EQ(gpu_.CopyWithin(stream_, there_, here_, 4).error, DeviceError::kInvalidArgument);
  EXPECT_EQ(gpu_.CopyIn(stream_, here_, there_, 4).error, DeviceError::kInvalidArgument);
  EXPECT_TRUE(gpu_.Synchronize(stream_).ok());
}

TEST_F(EmulatedGpuTest, MemoryThatIsFreedTooEarlyIsAFault) {
  void* memory = nullptr;
  ASSERT_TRUE(gpu_.Allocate(kBytes, &memory).ok());
  ASSERT_TRUE(gpu_.FillZeros(stream_, memory, kBytes).ok());
  gpu_.Free(memory);
  EXPECT_THAT(std::string(gpu_.Synchronize(stream_).message), HasSubstr("freed before"));
}

TEST_F(EmulatedGpuTest, WhatNoCallerMayDoAborts) {
  const auto leak = [] {
    EmulatedGpu gpu;
    DeviceEvent event;
    (void)gpu.CreateEvent(&event);
  };
  const auto drop_work = [&] {
    (void)CopyIn();
    gpu_.DestroyStream(stream_);
  };
  EXPECT_DEATH(leak(), "events_.empty");
  EXPECT_DEATH(drop_work(), "queue.empty");
  EXPECT_DEATH(gpu_.Free(here_), "found != ");
  EXPECT_DEATH(gpu_.FreePinned(there_), "found != ");
}

}  // namespace
}  // namespace sextant
