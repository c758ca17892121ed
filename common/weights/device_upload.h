// Streams weights from the host's memory, above all from mapped files, to a GPU at the speed of the
// bus: several threads fill pinned buffers, one after another, while earlier ones are copied.
//
// Ownership: the host's bytes are read before Add returns, so that they may go then; the device's
//            memory must live until Finish. The driver outlives the upload.
// Threads:   one thread makes every call; the progress callback runs on it.
// Errors:    those of the driver, naming what was done; after one, every call returns it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/device/gpu.h"
#include "common/device/thread_pool.h"
#include "common/tensor/matrix_view.h"

namespace sextant {

class DeviceUpload {
 public:
  // Called when a buffer has been handed to the copy engine: bytes on their way, which never become
  // fewer, of total_bytes, or of what was added where that is more. By Finish: all of all.
  using Progress = std::function<void(std::int64_t done, std::int64_t of)>;

  struct Options {
    int threads = 1;  // that fill buffers, the caller's included
    std::int64_t staging_bytes = std::int64_t{16} << 20;  // of a buffer, a multiple of 256
    int buffers = 4;               // at least 1; 2 let filling and copying overlap
    std::int64_t total_bytes = 0;  // that will be added, for the progress
    Progress progress = nullptr;
  };

  struct Totals {
    std::int64_t bytes = 0;
    double seconds = 0;  // from the first Add to the end of the last copy
  };

  [[nodiscard]] static absl::StatusOr<std::unique_ptr<DeviceUpload>> Create(GpuDriver& gpu,
                                                                            Options options);
  ~DeviceUpload();  // waits for the copies that are on their way
  DeviceUpload(const DeviceUpload&) = delete;
  DeviceUpload& operator=(const DeviceUpload&) = delete;

  // Copies `bytes` bytes from any address of the host.
  [[nodiscard]] absl::Status Add(void* device, const void* host, std::int64_t bytes);

  // The same for a matrix in bf16, packed. Errors: InvalidArgument for another type.
  [[nodiscard]] absl::Status Add(void* device, const WeightView& weight);

  // Its transpose, [cols, rows].
  [[nodiscard]] absl::Status AddTransposed(void* device, const WeightView& weight);

  // Waits until everything has arrived. More may be added afterwards.
  [[nodiscard]] absl::StatusOr<Totals> Finish();

 private:
  // Pinned memory, filled from the front; its event is the end of the last copy out of it.
  struct Buffer {
    GpuMemory memory;
    GpuEvent copied;
    bool in_use = false;  // copied has been recorded and not been waited for
  };
  // Writes bytes [begin, begin + bytes) of what is added.
  using Fill = absl::FunctionRef<void(std::byte* to, std::int64_t begin, std::int64_t bytes)>;

  DeviceUpload(GpuDriver& gpu, Options options, GpuStream stream, std::vector<Buffer> buffers);
  [[nodiscard]] absl::Status AddPieces(void* device, std::int64_t bytes, Fill fill);
  [[nodiscard]] absl::Status CopyPiece(std::byte* device, std::int64_t begin, std::int64_t bytes,
                                       Fill fill);
  void FillInParallel(std::byte* to, std::int64_t begin, std::int64_t bytes, Fill fill);
  [[nodiscard]] absl::Status StartBuffer();  // waits until the next one may be written
  [[nodiscard]] absl::Status EndBuffer();
  void Report(std::int64_t of);

  GpuDriver& gpu_;
  const Options options_;
  GpuStream stream_;
  std::vector<Buffer> buffers_;
  ThreadPool pool_;
  std::size_t current_ = 0;  // the buffer that is being filled
  std::int64_t filled_ = 0;  // bytes of it
  std::int64_t added_ = 0;   // bytes
  double began_ = -1;        // seconds of the steady clock; negative: nothing added yet
  absl::Status status_;      // the first error
};

}  // namespace sextant
