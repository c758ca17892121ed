// What a GpuDriver promises, of the emulated GPU and of CUDA's alike.
#include "common/device/gpu_driver.h"

#include <gmock/gmock.h>

#include <cstring>
#include <optional>
#include <thread>
#include <vector>

#include "common/device/gpu.h"
#include "tests/support/device/device_memory.h"
#include "tests/support/device/test_gpu.h"

namespace sextant {
namespace {

using testing::Each;

constexpr std::int64_t kCount = 4096;
constexpr std::int64_t kBytes = kCount * std::int64_t{sizeof(Bf16)};

// A GPU with a stream, memory there and pinned memory here.
class Machine {
 public:
  Machine()
      : backend_(OpenTestGpu()),
        there_(Memory(GpuMemory::Place::kDevice)),
        here_(Memory(GpuMemory::Place::kPinnedHost)) {
    absl::StatusOr<GpuStream> stream = GpuStream::Create(gpu());
    EXPECT_TRUE(stream.ok()) << stream.status();
    stream_.emplace(*std::move(stream));
  }

  [[nodiscard]] GpuDriver& gpu() { return *backend_.gpu; }
  [[nodiscard]] DeviceStream stream() const { return stream_->handle(); }
  [[nodiscard]] Bf16* there() const { return reinterpret_cast<Bf16*>(there_.data()); }
  [[nodiscard]] std::byte* here() const { return here_.data(); }
  [[nodiscard]] std::vector<Bf16> Here() const {
    std::vector<Bf16> values(kCount);
    std::memcpy(values.data(), here(), kBytes);
    return values;
  }

  DeviceStatus Fill(std::uint64_t seed) {
    return backend_.kernels->fill_normal(stream(),
                                         {.values = there(), .count = kCount, .seed = seed});
  }
  DeviceStatus CopyOut() { return gpu().CopyOut(stream(), here(), there(), kBytes); }
  [[nodiscard]] std::vector<Bf16> Filled(std::uint64_t seed) {
    EXPECT_TRUE(Fill(seed).ok());
    EXPECT_TRUE(CopyOut().ok());
    EXPECT_TRUE(stream_->Synchronize().ok());
    return Here();
  }
  void Synchronize() { EXPECT_TRUE(stream_->Synchronize().ok()); }

 private:
  GpuMemory Memory(GpuMemory::Place place) {
    absl::StatusOr<GpuMemory> memory = GpuMemory::Allocate(gpu(), place, kBytes, "values");
    EXPECT_TRUE(memory.ok()) << memory.status();
    return *std::move(memory);
  }

  CudaBackend backend_;
  GpuMemory there_;
  GpuMemory here_;
  std::optional<GpuStream> stream_;
};

class GpuDriverTest : public DeviceTest {};

TEST_F(GpuDriverTest, SaysWhatItIs) {
  Machine machine;
  GpuInfo info;
  ASSERT_TRUE(machine.gpu().Describe(&info).ok());
  EXPECT_GT(std::strlen(info.name), 0U);
  EXPECT_GE(info.major, 8);
  EXPECT_GT(info.multiprocessors, 0);
  EXPECT_GT(info.free_bytes, 0);
  EXPECT_LE(info.free_bytes, info.total_bytes);
  EXPECT_GE(info.shared_bytes_per_multiprocessor, 96 * 1024);
}

TEST_F(GpuDriverTest, CopiesFillsAndKernelsHappenInOrder) {
  Machine machine;
  std::memset(machine.here(), 1, kBytes);
  ASSERT_TRUE(machine.gpu().CopyIn(machine.stream(), machine.there(), machine.here(), kBytes).ok());
  ASSERT_TRUE(machine.gpu().FillZeros(machine.stream(), machine.there(), kBytes / 4).ok());
  ASSERT_TRUE(
      machine.gpu()
          .CopyWithin(machine.stream(), machine.there() + kCount / 2, machine.there(), kBytes / 2)
          .ok());
  ASSERT_TRUE(machine.CopyOut().ok());
  machine.Synchronize();
  const std::vector<Bf16> values = machine.Here();
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(values[i].bits, i % (kCount / 2) < kCount / 4 ? 0 : 0x0101) << i;
  }
  EXPECT_NE(machine.Filled(1), machine.Filled(2));
}

TEST_F(GpuDriverTest, EventsTellWhenAndHowLong) {
  Machine machine;
  const absl::StatusOr<GpuEvent> begin = GpuEvent::Create(machine.gpu());
  const absl::StatusOr<GpuEvent> end = GpuEvent::Create(machine.gpu());
  ASSERT_TRUE(begin.ok() && end.ok());
  EXPECT_TRUE(machine.gpu().WaitFor(begin->handle()).ok());  // never recorded
  ASSERT_TRUE(machine.gpu().Record(machine.stream(), begin->handle()).ok());
  ASSERT_TRUE(machine.Fill(1).ok());
  ASSERT_TRUE(machine.CopyOut().ok());
  ASSERT_TRUE(machine.gpu().Record(machine.stream(), end->handle()).ok());
  ASSERT_TRUE(machine.gpu().WaitFor(end->handle()).ok());
  const std::vector<Bf16> values = machine.Here();
  double seconds = -1;
  ASSERT_TRUE(machine.gpu().SecondsBetween(begin->handle(), end->handle(), &seconds).ok());
  EXPECT_GT(seconds, 0);
  EXPECT_EQ(values, machine.Filled(1));
}

TEST_F(GpuDriverTest, AGraphDoesTheSameAtEveryLaunch) {
  Machine machine;
  const std::vector<Bf16> filled = machine.Filled(1);
  std::memset(machine.here(), 0, kBytes);
  const absl::StatusOr<GpuEvent> event = GpuEvent::Create(machine.gpu());
  ASSERT_TRUE(event.ok());
  ASSERT_TRUE(machine.gpu().BeginCapture(machine.stream()).ok());
  ASSERT_TRUE(machine.Fill(1).ok());
  ASSERT_TRUE(machine.CopyOut().ok());
  ASSERT_TRUE(machine.gpu().Record(machine.stream(), event->handle()).ok());
  DeviceGraph captured;
  ASSERT_TRUE(machine.gpu().EndCapture(machine.stream(), &captured).ok());
  const GpuGraph graph(machine.gpu(), captured);
  machine.Synchronize();
  EXPECT_THAT(machine.Here(), Each(Bf16{0}));
  for (int launch = 0; launch < 3; ++launch) {
    std::memset(machine.here(), 0, kBytes);
    ASSERT_TRUE(machine.gpu().Launch(machine.stream(), graph.handle()).ok());
    ASSERT_TRUE(machine.gpu().WaitFor(event->handle()).ok());
    EXPECT_EQ(machine.Here(), filled);
  }
}

TEST_F(GpuDriverTest, WaitingAndAllocatingSpoilACapture) {
  Machine machine;
  for (const bool waits : {false, true}) {
    ASSERT_TRUE(machine.gpu().BeginCapture(machine.stream()).ok());
    ASSERT_TRUE(machine.Fill(1).ok());
    void* memory = nullptr;
    EXPECT_EQ((waits ? machine.gpu().Synchronize(machine.stream())
                     : machine.gpu().Allocate(kBytes, &memory))
                  .error,
              DeviceError::kDevice);
    DeviceGraph graph;
    EXPECT_EQ(machine.gpu().EndCapture(machine.stream(), &graph).error, DeviceError::kDevice);
    EXPECT_EQ(graph.handle, nullptr);
  }
  EXPECT_EQ(machine.Filled(3), machine.Filled(3));  // and the stream goes on
}

TEST_F(GpuDriverTest, ACaptureHindersNoOtherThread) {
  Machine machine;
  const std::vector<Bf16> filled = machine.Filled(1);
  std::memset(machine.here(), 0, kBytes);
  ASSERT_TRUE(machine.gpu().BeginCapture(machine.stream()).ok());
  ASSERT_TRUE(machine.Fill(1).ok());
  std::thread other([&] {
    GpuDriver& gpu = machine.gpu();
    const absl::StatusOr<GpuStream> stream = GpuStream::Create(gpu);
    const auto there = GpuMemory::Allocate(gpu, GpuMemory::Place::kDevice, kBytes, "values");
    const auto from = GpuMemory::Allocate(gpu, GpuMemory::Place::kPinnedHost, kBytes, "values");
    std::vector<std::byte> to(kBytes);
    ASSERT_TRUE(stream.ok() && there.ok() && from.ok());
    std::memset(from->data(), 1, kBytes);
    EXPECT_TRUE(gpu.CopyIn(stream->handle(), there->data(), from->data(), kBytes).ok());
    EXPECT_TRUE(gpu.CopyOut(stream->handle(), to.data(), there->data(), kBytes).ok());
    EXPECT_TRUE(stream->Synchronize().ok());
    EXPECT_THAT(to, Each(std::byte{1}));
  });
  other.join();
  ASSERT_TRUE(machine.CopyOut().ok());
  DeviceGraph captured;
  ASSERT_TRUE(machine.gpu().EndCapture(machine.stream(), &captured).ok());
  const GpuGraph graph(machine.gpu(), captured);
  ASSERT_TRUE(machine.gpu().Launch(machine.stream(), graph.handle()).ok());
  machine.Synchronize();
  EXPECT_EQ(machine.Here(), filled);
}

TEST_F(GpuDriverTest, MemoryThatIsShortHurtsNothingElse) {
  Machine machine;
  void* memory = nullptr;
  EXPECT_EQ(machine.gpu().Allocate(std::int64_t{1} << 50, &memory).error,
            DeviceError::kOutOfMemory);
  EXPECT_EQ(machine.gpu().Allocate(0, &memory).error, DeviceError::kInvalidArgument);
  EXPECT_EQ(machine.Filled(4), machine.Filled(4));
}

}  // namespace
}  // namespace sextant
