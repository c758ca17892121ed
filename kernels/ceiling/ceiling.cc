#include "kernels/ceiling/ceiling.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "kernels/ceiling/loops.h"

namespace sextant {
namespace {

constexpr std::int64_t kBufferBytes = std::int64_t{1} << 30;
constexpr std::int64_t kReadTaskBytes = 1 << 20;
constexpr int kReadPasses = 3;
constexpr int kProductPasses = 5;
constexpr std::int64_t kProductTasksPerThread = 16;
constexpr double kProductTaskFlops = 400e6;

double Seconds(std::chrono::steady_clock::duration elapsed) {
  return std::chrono::duration<double>(elapsed).count();
}

template <typename Work>
double BestSeconds(int passes, Work work) {
  double best = 1e30;
  for (int pass = 0; pass < passes; ++pass) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(best, Seconds(std::chrono::steady_clock::now() - start));
  }
  return best;
}

struct CountedLoop {
  ProductLoop run;
  std::int64_t flops_per_round;
};

CountedLoop LoopOf(Backend backend) {
  switch (backend) {
    case Backend::kReference:
    case Backend::kCpuAvx2:
      return {ProductAvx2, kFlopsPerRoundAvx2};
    case Backend::kCpuAvx512:
      return {ProductAvx512, kFlopsPerRoundAvx512};
    case Backend::kCpuAvx512Bf16:
      return {ProductAvx512Bf16, kFlopsPerRoundAvx512Bf16};
  }
  return {ProductAvx2, kFlopsPerRoundAvx2};
}

}  // namespace

double MeasureProductFlopsPerSecond(Stream& stream) {
  const CountedLoop loop = LoopOf(stream.backend());
  const auto per_round = static_cast<double>(loop.flops_per_round);
  const auto rounds = static_cast<std::int64_t>(kProductTaskFlops / per_round);
  const std::int64_t tasks = kProductTasksPerThread * stream.pool().num_threads();
  std::atomic<float> sink = 0;
  const double seconds = BestSeconds(kProductPasses, [&] {
    stream.pool().ParallelFor(tasks, [&](std::int64_t, int) { sink = loop.run(rounds); });
  });
  return static_cast<double>(tasks * rounds) * per_round / seconds;
}

double MeasureReadBytesPerSecond(Stream& stream, const char* data, std::int64_t bytes) {
  const std::int64_t tasks = bytes / kReadTaskBytes;
  std::atomic<std::int64_t> sink = 0;
  double best = 0;
  for (const std::int64_t ahead : {0, 1024, 4096, 16384}) {
    const double seconds = BestSeconds(kReadPasses, [&] {
      stream.pool().ParallelFor(tasks, [&](std::int64_t task, int) {
        sink = ReadAvx2(data + task * kReadTaskBytes, kReadTaskBytes, ahead);
      });
    });
    best = std::max(best, static_cast<double>(tasks * kReadTaskBytes) / seconds);
  }
  return best;
}

absl::StatusOr<Ceilings> MeasureCeilings(Stream& stream) {
  if (!Supports(Backend::kCpuAvx2)) {
    return absl::FailedPreconditionError("measuring the ceilings needs a processor with AVX2");
  }
  void* buffer =
      mmap(nullptr, kBufferBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (buffer == MAP_FAILED) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for the ", kBufferBytes >> 20,
                     " MiB that measuring the read bandwidth takes: ", std::strerror(errno)));
  }
  madvise(buffer, kBufferBytes, MADV_HUGEPAGE);
  auto* data = static_cast<char*>(buffer);
  stream.pool().ParallelFor(kBufferBytes / kReadTaskBytes, [&](std::int64_t task, int) {
    std::memset(data + task * kReadTaskBytes, 1, kReadTaskBytes);
  });
  Ceilings ceilings;
  ceilings.read_bytes_per_s = MeasureReadBytesPerSecond(stream, data, kBufferBytes);
  munmap(buffer, kBufferBytes);
  ceilings.product_flops_per_s = MeasureProductFlopsPerSecond(stream);
  return ceilings;
}

}  // namespace sextant
