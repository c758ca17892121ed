#include "tests/benchmark/mapped_weights.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/tensor/float_types.h"

namespace sextant {
namespace {

// A prime number of values, so that no two matrices are alike.
std::vector<Bf16> RandomValues() {
  std::vector<Bf16> values(1000003);
  std::uint32_t state = 12345;
  for (Bf16& value : values) {
    state = state * 1664525U + 1013904223U;
    value = ToBf16((static_cast<float>(state >> 8) * 0x1p-24F - 0.5F) / 15);
  }
  return values;
}

absl::Status Fill(int file, char* data, std::int64_t bytes) {
  const std::vector<Bf16> values = RandomValues();
  const auto period = static_cast<std::int64_t>(values.size() * sizeof(Bf16));
  for (std::int64_t at = 0; at < bytes; at += period) {
    const auto count = static_cast<std::size_t>(std::min(period, bytes - at));
    if (file < 0) {
      std::memcpy(data + at, values.data(), count);
    } else if (write(file, values.data(), count) != static_cast<ssize_t>(count)) {
      return absl::UnavailableError(absl::StrCat("writing the weights: ", std::strerror(errno)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<MappedWeights> MappedWeights::Create(Memory memory, absl::string_view directory,
                                                    std::int64_t bytes) {
  const auto size = static_cast<std::size_t>(bytes);
  int file = -1;
  if (memory == Memory::kFile) {
    file = open(std::string(directory).c_str(), O_TMPFILE | O_RDWR, 0600);
    if (file < 0) {
      return absl::UnavailableError(
          absl::StrCat("a temporary file in ", directory, ": ", std::strerror(errno)));
    }
    if (absl::Status status = Fill(file, nullptr, bytes); !status.ok()) return status;
  }
  void* data =
      memory == Memory::kFile
          ? mmap(nullptr, size, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0)
          : mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (file >= 0) close(file);
  if (data == MAP_FAILED) {
    return absl::ResourceExhaustedError(
        absl::StrCat("mapping ", bytes >> 20, " MiB of weights: ", std::strerror(errno)));
  }
  if (memory == Memory::kHugePages) {
    madvise(data, size, MADV_HUGEPAGE);
    if (absl::Status status = Fill(-1, static_cast<char*>(data), bytes); !status.ok()) {
      return status;
    }
  }
  return MappedWeights(static_cast<char*>(data), bytes);
}

MappedWeights::MappedWeights(MappedWeights&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_), used_(other.used_) {}

MappedWeights::~MappedWeights() {
  if (data_ != nullptr) munmap(data_, static_cast<std::size_t>(bytes_));
}

WeightView MappedWeights::Next(std::int64_t rows, std::int64_t cols) {
  WeightView weight{nullptr, DType::kBf16, rows, cols};
  CHECK_LE(weight.bytes() + 8, bytes_);
  // Off any alignment but 8, as safetensors files have it.
  constexpr std::int64_t kOffset = 8;
  if (used_ == 0 || used_ + weight.bytes() > bytes_) used_ = kOffset;
  weight.data = data_ + used_;
  used_ += weight.bytes();
  return weight;
}

}  // namespace sextant
