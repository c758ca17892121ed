// Writes one safetensors file whose tensors are known before their values are.
//
// Create writes the header; then any thread may write any part of any tensor, in any order.
// The header is padded so that every tensor of whole elements starts at a multiple of 8 bytes
// plus its offset in the data, as the reference implementation does.
//
// Threads: WriteAt may be called from many threads at once.
// Errors:  as FileError; a full disk is ResourceExhausted. A file that was not written to its end
//          stays behind: write into a directory that is published whole (output_directory.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/tensor/dtype.h"

namespace sextant {

struct TensorSpec {
  std::string name;
  DType dtype = DType::kBf16;
  std::vector<std::int64_t> shape;

  [[nodiscard]] std::int64_t elements() const;
  [[nodiscard]] std::int64_t bytes() const { return elements() * BytesOf(dtype); }
};

class SafetensorsWriter {
 public:
  [[nodiscard]] static absl::StatusOr<SafetensorsWriter> Create(
      const std::string& path, absl::Span<const TensorSpec> tensors);
  SafetensorsWriter(SafetensorsWriter&& other) noexcept;
  SafetensorsWriter& operator=(SafetensorsWriter&& other) noexcept;
  ~SafetensorsWriter();

  // Places `bytes` at `offset` of tensor number `tensor`; they must lie inside it.
  [[nodiscard]] absl::Status WriteAt(std::size_t tensor, std::int64_t offset,
                                     absl::Span<const std::byte> bytes) const;
  // Closes the file, which reports errors that were delayed.
  [[nodiscard]] absl::Status Finish();

 private:
  SafetensorsWriter(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  int fd_ = -1;
  std::string path_;
  std::vector<std::int64_t> starts_;  // of each tensor in the file, then the file's size
};

}  // namespace sextant
