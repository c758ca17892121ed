#include "tests/benchmark/cuda_benchmark.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "common/base/check.h"
#include "kernels/ceiling/ceiling_cuda.h"
#include "tests/support/device/device_memory.h"
#include "tests/support/device/values.h"

namespace sextant {
namespace {

constexpr int kRepeats = 20;

void CheckCuda(cudaError_t error) {
  CHECK_EQ(std::string(cudaGetErrorString(error)), cudaGetErrorString(cudaSuccess));
}

}  // namespace

void CheckLaunch(const DeviceStatus& status) { CHECK_EQ(std::string(status.message), ""); }

RandomMemory::RandomMemory(std::int64_t count, double deviation)
    : count_(count),
      data_(static_cast<Bf16*>(AllocateOnDevice(static_cast<std::size_t>(count) * sizeof(Bf16)))) {
  static const std::vector<Bf16> values = NormalBf16(1 << 22, 1.0, 1);
  std::vector<Bf16> scaled;
  for (const Bf16 value : values) {
    scaled.push_back(ToBf16(ToFloat(value) * static_cast<float>(deviation)));
  }
  const auto size = static_cast<std::int64_t>(scaled.size());
  for (std::int64_t begin = 0; begin < count; begin += size) {
    CopyToDevice(data_ + begin, scaled.data(),
                 static_cast<std::size_t>(std::min(size, count - begin)) * sizeof(Bf16));
  }
}

RandomMemory::~RandomMemory() { FreeOnDevice(data_); }

std::vector<Bf16> RandomMemory::Read() const {
  std::vector<Bf16> values(static_cast<std::size_t>(count_));
  CopyFromDevice(values.data(), data_, values.size() * sizeof(Bf16));
  return values;
}

double Seconds(const std::function<void(int)>& run) {
  cudaEvent_t begin;
  cudaEvent_t end;
  CheckCuda(cudaEventCreate(&begin));
  CheckCuda(cudaEventCreate(&end));
  for (int i = 0; i < 3; ++i) run(i);
  CheckCuda(cudaEventRecord(begin, nullptr));
  for (int i = 0; i < kRepeats; ++i) run(i);
  CheckCuda(cudaEventRecord(end, nullptr));
  CheckCuda(cudaEventSynchronize(end));
  float milliseconds = 0;
  CheckCuda(cudaEventElapsedTime(&milliseconds, begin, end));
  CheckCuda(cudaEventDestroy(begin));
  CheckCuda(cudaEventDestroy(end));
  return static_cast<double>(milliseconds) * 1e-3 / kRepeats;
}

int Multiprocessors() {
  int count = 0;
  CheckCuda(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, 0));
  return count;
}

Ceilings MeasureCeilings() {
  constexpr std::int64_t kBytes = std::int64_t{4} << 30;
  constexpr std::int32_t kRounds = 20000;
  const int blocks = 2 * Multiprocessors();
  const RandomMemory memory(kBytes / 2);
  const DeviceArray<std::uint32_t> words(static_cast<std::size_t>(2 * blocks), 0U);
  const DeviceArray<float> sums(static_cast<std::size_t>(blocks), 0.0F);
  const double reading = Seconds([&](int) {
    CheckLaunch(ReadCeilingCuda(
        {}, {.from = memory.data(), .bytes = kBytes, .blocks = 2 * blocks, .words = words.data()}));
  });
  const double multiplying = Seconds([&](int) {
    CheckLaunch(ProductCeilingCuda({}, {.rounds = kRounds, .blocks = blocks, .sums = sums.data()}));
  });
  const double operations = static_cast<double>(blocks * kCeilingWarps * kRounds *
                                                kProductsOfARound * kProductOperations);
  return {static_cast<double>(kBytes) / reading, operations / multiplying};
}

Report::Report(const Ceilings& ceilings, std::string only)
    : ceilings_(ceilings), only_(std::move(only)) {
  std::printf("ceilings: %.0f GB/s, %.0f TFLOP/s\n", ceilings.bytes_per_second * 1e-9,
              ceilings.operations_per_second * 1e-12);
  std::printf("%-44s %10s %8s %9s %7s\n", "case", "us", "GB/s", "TFLOP/s", "share");
}

void Report::Case(const std::string& name, double bytes, double operations,
                  const std::function<void(int)>& run,
                  const std::function<std::vector<Bf16>()>& result) {
  run(0);
  const std::vector<Bf16> once = result();
  run(0);
  CHECK(result() == once);
  const double seconds = Seconds(run);
  const double ideal =
      std::max(bytes / ceilings_.bytes_per_second, operations / ceilings_.operations_per_second);
  std::printf("%-44s %10.1f %8.0f %9.1f %6.0f%%\n", name.c_str(), seconds * 1e6,
              bytes / seconds * 1e-9, operations / seconds * 1e-12, ideal / seconds * 100);
}

}  // namespace sextant
