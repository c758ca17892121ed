#include "common/weights/writer/safetensors_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/check.h"
#include "common/base/file.h"
#include "common/base/status.h"
#include "nlohmann/json.hpp"

namespace sextant {
namespace {

const char* FileSpelling(DType dtype) {
  switch (dtype) {
    case DType::kBf16:
      return "BF16";
    case DType::kFp16:
      return "F16";
    case DType::kFp32:
      return "F32";
  }
  CHECK(false && "DType out of range");
}

// The length field and the JSON, padded with spaces to a multiple of 8.
std::string Header(absl::Span<const TensorSpec> tensors) {
  std::string json = R"({"__metadata__":{"format":"pt"})";
  std::int64_t end = 0;
  for (const TensorSpec& tensor : tensors) {
    const std::int64_t begin = end;
    end += tensor.bytes();
    absl::StrAppend(&json, ",", nlohmann::json(tensor.name).dump(), R"(:{"dtype":")",
                    FileSpelling(tensor.dtype), R"(","shape":[)", absl::StrJoin(tensor.shape, ","),
                    R"(],"data_offsets":[)", begin, ",", end, "]}");
  }
  json += "}";
  json.resize((json.size() + 7) / 8 * 8, ' ');
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>((static_cast<std::uint64_t>(json.size()) >> (8 * i)) & 0xff);
  }
  return bytes + json;
}

absl::Status WriteAll(int fd, const std::string& path, const void* data, std::size_t size,
                      std::int64_t offset) {
  const auto* next = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::pwrite(fd, next, size, offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FileError(errno, path, "cannot be written");
    next += written;
    size -= static_cast<std::size_t>(written);
    offset += written;
  }
  return absl::OkStatus();
}

}  // namespace

std::int64_t TensorSpec::elements() const {
  std::int64_t elements = 1;
  for (const std::int64_t dimension : shape) elements *= dimension;
  return elements;
}

SafetensorsWriter::SafetensorsWriter(SafetensorsWriter&& other) noexcept {
  *this = std::move(other);
}

SafetensorsWriter& SafetensorsWriter::operator=(SafetensorsWriter&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  std::swap(starts_, other.starts_);
  return *this;
}

SafetensorsWriter::~SafetensorsWriter() {
  if (fd_ >= 0) ::close(fd_);
}

absl::StatusOr<SafetensorsWriter> SafetensorsWriter::Create(const std::string& path,
                                                            absl::Span<const TensorSpec> tensors) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return FileError(errno, path, "cannot be created");
  SafetensorsWriter writer(fd, path);
  const std::string header = Header(tensors);
  RETURN_IF_ERROR(WriteAll(fd, path, header.data(), header.size(), 0));
  auto start = static_cast<std::int64_t>(header.size());
  for (const TensorSpec& tensor : tensors) {
    writer.starts_.push_back(start);
    start += tensor.bytes();
  }
  writer.starts_.push_back(start);
  if (::ftruncate(fd, start) != 0) return FileError(errno, path, "cannot be sized");
  return writer;
}

absl::Status SafetensorsWriter::WriteAt(std::size_t tensor, std::int64_t offset,
                                        absl::Span<const std::byte> bytes) const {
  CHECK_GE(fd_, 0);
  CHECK_LT(tensor + 1, starts_.size());
  CHECK_GE(offset, 0);
  const std::int64_t begin = starts_[tensor] + offset;
  CHECK_LE(begin + static_cast<std::int64_t>(bytes.size()), starts_[tensor + 1]);
  return WriteAll(fd_, path_, bytes.data(), bytes.size(), begin);
}

absl::Status SafetensorsWriter::Finish() {
  CHECK_GE(fd_, 0);
  if (::fdatasync(fd_) != 0) return FileError(errno, path_, "cannot be written");
  // What was written waits in the page cache in pages of 4 KiB, which slow reading down for as long
  // as they stay. Whoever maps the file reads it anew, in huge pages where the kernel has them.
  ::posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);
  const int result = ::close(std::exchange(fd_, -1));
  return result == 0 ? absl::OkStatus() : FileError(errno, path_, "cannot be closed");
}

}  // namespace sextant
