#include "common/weights/device_upload.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"
#include "common/device/arena_carver.h"
#include "common/tensor/float_types.h"

namespace sextant {
namespace {

// What a thread fills at a time: enough to be worth handing out, and some for each thread in a
// buffer of the usual size.
constexpr std::int64_t kTaskBytes = std::int64_t{512} << 10;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::int64_t RoundUp(std::int64_t bytes) {
  return (bytes + ArenaCarver::kAlignment - 1) / ArenaCarver::kAlignment * ArenaCarver::kAlignment;
}

absl::Status CheckBf16(const WeightView& weight) {
  if (weight.dtype == DType::kBf16) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("weights go to a GPU in bf16; these are ", Name(weight.dtype)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<DeviceUpload>> DeviceUpload::Create(GpuDriver& gpu,
                                                                   Options options) {
  CHECK_GE(options.threads, 1);
  CHECK_GE(options.buffers, 1);
  CHECK_GE(options.staging_bytes, ArenaCarver::kAlignment);
  CHECK_EQ(options.staging_bytes % ArenaCarver::kAlignment, 0);
  ASSIGN_OR_RETURN(GpuStream stream, GpuStream::Create(gpu));
  std::vector<Buffer> buffers;
  for (int i = 0; i < options.buffers; ++i) {
    ASSIGN_OR_RETURN(GpuMemory memory,
                     GpuMemory::Allocate(gpu, GpuMemory::Place::kPinnedHost, options.staging_bytes,
                                         "a buffer to load weights through"));
    ASSIGN_OR_RETURN(GpuEvent copied, GpuEvent::Create(gpu));
    buffers.push_back({.memory = std::move(memory), .copied = std::move(copied)});
  }
  return std::unique_ptr<DeviceUpload>(
      new DeviceUpload(gpu, std::move(options), std::move(stream), std::move(buffers)));
}

DeviceUpload::DeviceUpload(GpuDriver& gpu, Options options, GpuStream stream,
                           std::vector<Buffer> buffers)
    : gpu_(gpu),
      options_(std::move(options)),
      stream_(std::move(stream)),
      buffers_(std::move(buffers)),
      pool_(options_.threads) {}

// What goes wrong here was or will be said by whoever uses the memory.
DeviceUpload::~DeviceUpload() { (void)stream_.Synchronize(); }

absl::Status DeviceUpload::Add(void* device, const void* host, std::int64_t bytes) {
  return AddPieces(device, bytes, [host](std::byte* to, std::int64_t begin, std::int64_t count) {
    std::memcpy(to, static_cast<const std::byte*>(host) + begin, static_cast<std::size_t>(count));
  });
}

absl::Status DeviceUpload::Add(void* device, const WeightView& weight) {
  RETURN_IF_ERROR(CheckBf16(weight));
  return Add(device, weight.data, weight.bytes());
}

absl::Status DeviceUpload::AddTransposed(void* device, const WeightView& weight) {
  RETURN_IF_ERROR(CheckBf16(weight));
  constexpr std::int64_t kSize = sizeof(Bf16);
  const auto* const from = static_cast<const std::byte*>(weight.data);
  const std::int64_t rows = weight.rows;
  const std::int64_t cols = weight.cols;
  // Pieces and tasks are cut at even bytes.
  return AddPieces(device, weight.bytes(),
                   [=](std::byte* to, std::int64_t begin, std::int64_t bytes) {
                     for (std::int64_t i = begin / kSize; i < (begin + bytes) / kSize; ++i) {
                       const std::int64_t at = i % rows * cols + i / rows;
                       std::memcpy(to, from + at * kSize, kSize);
                       to += kSize;
                     }
                   });
}

absl::Status DeviceUpload::AddPieces(void* device, std::int64_t bytes, Fill fill) {
  RETURN_IF_ERROR(status_);
  if (began_ < 0) began_ = Now();
  for (std::int64_t begin = 0; begin < bytes;) {
    if (filled_ == options_.staging_bytes) status_ = EndBuffer();
    if (status_.ok() && filled_ == 0) status_ = StartBuffer();
    RETURN_IF_ERROR(status_);
    const std::int64_t count = std::min(bytes - begin, options_.staging_bytes - filled_);
    status_ = CopyPiece(static_cast<std::byte*>(device) + begin, begin, count, fill);
    RETURN_IF_ERROR(status_);
    begin += count;
  }
  return absl::OkStatus();
}

absl::Status DeviceUpload::StartBuffer() {
  Buffer& buffer = buffers_[current_];
  if (!std::exchange(buffer.in_use, false)) return absl::OkStatus();
  return ToStatus(gpu_.WaitFor(buffer.copied.handle()), "copying weights to the GPU");
}

absl::Status DeviceUpload::EndBuffer() {
  Buffer& buffer = buffers_[current_];
  RETURN_IF_ERROR(ToStatus(gpu_.Record(stream_.handle(), buffer.copied.handle()),
                           "copying weights to the GPU"));
  buffer.in_use = true;
  current_ = (current_ + 1) % buffers_.size();
  filled_ = 0;
  Report(std::max(added_, options_.total_bytes));
  return absl::OkStatus();
}

absl::Status DeviceUpload::CopyPiece(std::byte* device, std::int64_t begin, std::int64_t bytes,
                                     Fill fill) {
  std::byte* const staged = buffers_[current_].memory.data() + filled_;
  FillInParallel(staged, begin, bytes, fill);
  filled_ += RoundUp(bytes);
  added_ += bytes;
  return ToStatus(gpu_.CopyIn(stream_.handle(), device, staged, bytes),
                  "copying weights to the GPU");
}

void DeviceUpload::FillInParallel(std::byte* to, std::int64_t begin, std::int64_t bytes,
                                  Fill fill) {
  const std::int64_t tasks = (bytes + kTaskBytes - 1) / kTaskBytes;
  if (tasks == 1) {
    fill(to, begin, bytes);
    return;
  }
  pool_.ParallelFor(tasks, [&](std::int64_t task, int /*worker*/) {
    const std::int64_t first = task * kTaskBytes;
    fill(to + first, begin + first, std::min(kTaskBytes, bytes - first));
  });
}

void DeviceUpload::Report(std::int64_t of) {
  if (options_.progress != nullptr) options_.progress(added_, of);
}

absl::StatusOr<DeviceUpload::Totals> DeviceUpload::Finish() {
  if (status_.ok() && filled_ > 0) status_ = EndBuffer();
  // After an error, too: what is on its way would arrive when something else is there.
  status_.Update(stream_.Synchronize());
  RETURN_IF_ERROR(status_);
  Report(added_);
  return Totals{.bytes = added_, .seconds = began_ < 0 ? 0 : Now() - began_};
}

}  // namespace sextant
