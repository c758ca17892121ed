#include "common/device/gpu.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <utility>

#include "tests/support/device/emulated_gpu.h"

namespace sextant {
namespace {

using testing::HasSubstr;
using Place = GpuMemory::Place;

TEST(GpuTest, ErrorsKeepTheirKindAndSayWhatWasAskedFor) {
  const std::pair<DeviceError, absl::StatusCode> codes[] = {
      {DeviceError::kNone, absl::StatusCode::kOk},
      {DeviceError::kInvalidArgument, absl::StatusCode::kInvalidArgument},
      {DeviceError::kOutOfMemory, absl::StatusCode::kResourceExhausted},
      {DeviceError::kDevice, absl::StatusCode::kInternal},
      {DeviceError::kEmulation, absl::StatusCode::kInternal},
  };
  for (const auto& [error, code] : codes) {
    const absl::Status status = ToStatus({error, "lost"}, "the cache");
    EXPECT_EQ(status.code(), code);
    EXPECT_EQ(status.message(), status.ok() ? "" : "the cache: lost");
  }
}

TEST(GpuTest, MemoryIsFreedOnceHoweverItMoves) {
  EmulatedGpu gpu;
  {
    auto first = GpuMemory::Allocate(gpu, Place::kDevice, 100, "a");
    auto second = GpuMemory::Allocate(gpu, Place::kDevice, 50, "b");
    auto pinned = GpuMemory::Allocate(gpu, Place::kPinnedHost, 25, "c");
    ASSERT_TRUE(first.ok() && second.ok() && pinned.ok());
    EXPECT_EQ(gpu.allocated_bytes(), 150);
    const std::byte* data = first->data();
    *second = *std::move(first);
    EXPECT_EQ(gpu.allocated_bytes(), 100);
    EXPECT_EQ(second->data(), data);
    EXPECT_EQ(second->bytes(), 100);
    GpuMemory third(*std::move(second));
    EXPECT_EQ(third.data(), data);
    third = *std::move(pinned);
    EXPECT_EQ(gpu.allocated_bytes(), 0);
    std::memset(third.data(), 1, 25);
  }
  EXPECT_EQ(gpu.allocated_bytes(), 0);
}

TEST(GpuTest, NoBytesAreNoMemory) {
  EmulatedGpu gpu;
  const auto memory = GpuMemory::Allocate(gpu, Place::kDevice, 0, "nothing");
  ASSERT_TRUE(memory.ok());
  EXPECT_EQ(memory->data(), nullptr);
  EXPECT_EQ(memory->bytes(), 0);
}

TEST(GpuTest, MemoryThatIsShortSaysForWhatAndHowMuch) {
  EmulatedGpu gpu(1000);
  const absl::Status status = GpuMemory::Allocate(gpu, Place::kDevice, 2000, "the cache").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("the cache (2000 bytes): out of memory"));
}

// The emulated GPU aborts at its end if anything is left, or is given back twice.
TEST(GpuTest, StreamsEventsAndGraphsAreGivenBackOnce) {
  EmulatedGpu gpu;
  auto stream = GpuStream::Create(gpu);
  auto event = GpuEvent::Create(gpu);
  ASSERT_TRUE(stream.ok() && event.ok());
  const GpuStream moved_stream(*std::move(stream));
  const GpuEvent moved_event(*std::move(event));
  ASSERT_TRUE(gpu.BeginCapture(moved_stream.handle()).ok());
  DeviceGraph captured;
  ASSERT_TRUE(gpu.EndCapture(moved_stream.handle(), &captured).ok());
  GpuGraph graph(gpu, captured);
  const GpuGraph moved_graph(std::move(graph));
  EXPECT_TRUE(gpu.Launch(moved_stream.handle(), moved_graph.handle()).ok());
  EXPECT_TRUE(gpu.Record(moved_stream.handle(), moved_event.handle()).ok());
  EXPECT_TRUE(moved_stream.Synchronize().ok());
}

TEST(GpuTest, AStreamWaitsForItsWorkAtItsEnd) {
  EmulatedGpu gpu;
  const auto memory = GpuMemory::Allocate(gpu, Place::kDevice, 4, "there");
  const auto pinned = GpuMemory::Allocate(gpu, Place::kPinnedHost, 4, "here");
  ASSERT_TRUE(memory.ok() && pinned.ok());
  {
    const auto stream = GpuStream::Create(gpu);
    ASSERT_TRUE(stream.ok());
    ASSERT_TRUE(gpu.FillZeros(stream->handle(), memory->data(), 4).ok());
    ASSERT_TRUE(gpu.CopyOut(stream->handle(), pinned->data(), memory->data(), 4).ok());
    EXPECT_NE(pinned->data()[0], std::byte{0});
  }
  EXPECT_EQ(pinned->data()[0], std::byte{0});
}

}  // namespace
}  // namespace sextant
