#include "common/weights/device_upload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/device/emulated_gpu.h"
#include "tests/support/device/read_device.h"
#include "tests/support/message_of.h"

namespace sextant {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

std::vector<std::uint8_t> Pattern(std::int64_t bytes, std::uint32_t seed) {
  std::vector<std::uint8_t> values;
  values.reserve(static_cast<std::size_t>(bytes));
  for (std::int64_t i = 0; i < bytes; ++i) {
    seed = seed * 1664525U + 1013904223U;
    values.push_back(static_cast<std::uint8_t>(seed >> 24));
  }
  return values;
}

// The emulated GPU copies when it is waited for and not before, so that a buffer that is filled
// again too early gives wrong bytes in every run.
class DeviceUploadTest : public testing::Test {
 protected:
  std::unique_ptr<DeviceUpload> Create(DeviceUpload::Options options) {
    auto upload = DeviceUpload::Create(gpu_, std::move(options));
    EXPECT_TRUE(upload.ok()) << upload.status();
    return *std::move(upload);
  }

  GpuMemory Room(std::int64_t bytes) {
    auto memory = GpuMemory::Allocate(gpu_, GpuMemory::Place::kDevice, bytes, "a test");
    EXPECT_TRUE(memory.ok()) << memory.status();
    return *std::move(memory);
  }

  std::vector<std::uint8_t> Read(const GpuMemory& memory, std::int64_t begin, std::int64_t bytes) {
    return ReadDevice(gpu_, reinterpret_cast<const std::uint8_t*>(memory.data()) + begin, bytes);
  }

  // Adds one tensor after another from addresses of any kind, then looks at all.
  void ExpectArrival(const DeviceUpload::Options& options, const std::vector<std::int64_t>& sizes) {
    std::vector<std::int64_t> begins;
    std::int64_t end = 0;
    for (const std::int64_t size : sizes) {
      begins.push_back(end);
      end += (size + 255) / 256 * 256;
    }
    const GpuMemory memory = Room(end);
    const auto upload = Create(options);
    std::int64_t total = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      // The bytes go once they are added, and lie at odd addresses as often as not.
      std::vector<std::uint8_t> host = Pattern(sizes[i], static_cast<std::uint32_t>(i));
      host.insert(host.begin(), i % 3, 0);
      const absl::Status added =
          upload->Add(memory.data() + begins[i], host.data() + i % 3, sizes[i]);
      ASSERT_TRUE(added.ok()) << added;
      std::memset(host.data(), 0xaa, host.size());
      total += sizes[i];
    }
    const auto totals = upload->Finish();
    ASSERT_TRUE(totals.ok()) << totals.status();
    EXPECT_EQ(totals->bytes, total);
    EXPECT_GE(totals->seconds, 0);
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      EXPECT_EQ(Read(memory, begins[i], sizes[i]), Pattern(sizes[i], static_cast<std::uint32_t>(i)))
          << sizes[i] << " bytes";
      const std::int64_t between = (sizes[i] + 255) / 256 * 256 - sizes[i];
      EXPECT_THAT(Read(memory, begins[i] + sizes[i], between), Each(0xff)) << "beyond the tensor";
    }
  }

  EmulatedGpu gpu_;
};

TEST_F(DeviceUploadTest, TensorsOfAnySizeArrive) {
  const std::vector<std::int64_t> sizes = {2, 0, 254, 256, 258, 768, 1024, 1026, 5000, 8, 3333};
  for (const int buffers : {1, 2, 3}) {
    for (const int threads : {1, 3}) {
      ExpectArrival({.threads = threads, .staging_bytes = 1024, .buffers = buffers}, sizes);
    }
  }
}

TEST_F(DeviceUploadTest, LargeTensorsAreFilledByManyThreads) {
  ExpectArrival({.threads = 4, .staging_bytes = 3 << 20, .buffers = 2},
                {(7 << 20) + 2, 100, 512 << 10, (512 << 10) + 2, 3 << 20});
}

TEST_F(DeviceUploadTest, MoreMayBeAddedAfterFinish) {
  const GpuMemory memory = Room(512);
  const auto upload = Create({.staging_bytes = 256, .buffers = 1});
  const std::vector<std::uint8_t> first = Pattern(100, 1);
  const std::vector<std::uint8_t> second = Pattern(200, 2);
  ASSERT_TRUE(upload->Add(memory.data(), first.data(), 100).ok());
  ASSERT_TRUE(upload->Finish().ok());
  EXPECT_EQ(Read(memory, 0, 100), first);
  ASSERT_TRUE(upload->Add(memory.data() + 256, second.data(), 200).ok());
  EXPECT_EQ(upload->Finish()->bytes, 300);
  EXPECT_EQ(Read(memory, 256, 200), second);
}

TEST_F(DeviceUploadTest, ATransposedMatrixArrives) {
  for (const auto& [rows, cols] : {std::pair(8, 24), std::pair(129, 77), std::pair(1, 600)}) {
    const std::int64_t bytes = std::int64_t{2} * rows * cols;
    std::vector<std::uint8_t> host = Pattern(bytes, 3);
    host.insert(host.begin(), 2, 0);  // safetensors promises even addresses and no more
    const WeightView matrix{host.data() + 2, DType::kBf16, rows, cols};
    const GpuMemory memory = Room(bytes);
    const auto upload = Create({.threads = 2, .staging_bytes = 512, .buffers = 2});
    ASSERT_TRUE(upload->AddTransposed(memory.data(), matrix).ok());
    ASSERT_TRUE(upload->Finish().ok());
    const auto* on_device = reinterpret_cast<const Bf16*>(memory.data());
    const std::vector<Bf16> arrived = ReadDevice(gpu_, on_device, std::int64_t{rows} * cols);
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < cols; ++c) {
        Bf16 wanted;
        std::memcpy(&wanted, host.data() + 2 + 2 * (r * cols + c), 2);
        ASSERT_EQ(arrived[static_cast<std::size_t>(c * rows + r)], wanted) << r << ", " << c;
      }
    }
  }
}

TEST_F(DeviceUploadTest, OnlyBf16IsTaken) {
  const GpuMemory memory = Room(1024);
  const auto upload = Create({});
  const std::vector<float> values(16);
  const WeightView f32{values.data(), DType::kFp32, 4, 4};
  EXPECT_EQ(upload->Add(memory.data(), f32).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(MessageOf(upload->AddTransposed(memory.data(), f32)), HasSubstr("these are fp32"));
  const std::vector<Bf16> rounded(16, ToBf16(3.0F));
  EXPECT_TRUE(upload->Add(memory.data(), {rounded.data(), DType::kBf16, 4, 4}).ok());
  EXPECT_EQ(upload->Finish()->bytes, 32);
}

TEST_F(DeviceUploadTest, WhatTheGpuRefusesEndsTheUpload) {
  const GpuMemory memory = Room(1024);
  const auto upload = Create({.staging_bytes = 512, .buffers = 2});
  const std::vector<std::uint8_t> host = Pattern(1024, 4);
  const absl::Status beyond = upload->Add(memory.data() + 512, host.data(), 1024);
  EXPECT_FALSE(beyond.ok());
  EXPECT_THAT(MessageOf(beyond), HasSubstr("copying weights to the GPU: "));
  EXPECT_EQ(upload->Add(memory.data(), host.data(), 8), beyond);
  EXPECT_EQ(upload->Finish().status(), beyond);
}

TEST_F(DeviceUploadTest, ProgressNeverGoesBackAndEndsWithAll) {
  using Call = std::pair<std::int64_t, std::int64_t>;
  for (const std::int64_t announced : {9000, 0}) {
    std::vector<Call> calls;
    const GpuMemory memory = Room(8192);
    const auto upload = Create(
        {.staging_bytes = 1024,
         .buffers = 2,
         .total_bytes = announced,
         .progress = [&](std::int64_t done, std::int64_t of) { calls.emplace_back(done, of); }});
    const std::vector<std::uint8_t> host = Pattern(5000, 5);
    ASSERT_TRUE(upload->Add(memory.data(), host.data(), 3000).ok());
    EXPECT_GE(calls.size(), 2U) << "nothing was said on the way";
    ASSERT_TRUE(upload->Add(memory.data() + 4096, host.data() + 3000, 2000).ok());
    ASSERT_TRUE(upload->Finish().ok());
    EXPECT_EQ(calls.back(), Call(5000, 5000));
    calls.pop_back();
    std::int64_t before = 0;
    for (const auto& [done, of] : calls) {
      EXPECT_GE(done, before);
      EXPECT_EQ(of, std::max(done, announced));
      before = done;
    }
  }
}

TEST_F(DeviceUploadTest, NothingIsAnUploadToo) {
  const auto upload = Create({});
  const auto totals = upload->Finish();
  ASSERT_TRUE(totals.ok()) << totals.status();
  EXPECT_EQ(totals->bytes, 0);
  EXPECT_EQ(totals->seconds, 0);
}

TEST_F(DeviceUploadTest, AnUploadMayEndWithoutBeingFinished) {
  const GpuMemory memory = Room(1024);
  const std::vector<std::uint8_t> host = Pattern(1024, 6);
  auto upload = Create({.staging_bytes = 256, .buffers = 2});
  ASSERT_TRUE(upload->Add(memory.data(), host.data(), 1024).ok());
  upload.reset();  // waits, or the last copies would be of buffers that are gone
  EXPECT_EQ(Read(memory, 0, 1024), host);
}

}  // namespace
}  // namespace sextant
