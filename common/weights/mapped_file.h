// A whole file, mapped read-only and shared: all processes of a host use the same page cache.
//
// Ownership: the bytes live until the MappedFile is destroyed; a moved-from one is empty.
// Threads:   the bytes may be read from any thread.
// Errors:    as ReadFile. A file that is truncated after it was mapped cannot be noticed here:
//            touching the lost pages raises SIGBUS. Replace a checkpoint by renaming new files
//            over it, never by writing into it.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sextant {

class MappedFile {
 public:
  [[nodiscard]] static absl::StatusOr<MappedFile> Open(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  [[nodiscard]] const std::byte* data() const { return data_; }  // page-aligned; null when empty
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] absl::string_view text() const;

 private:
  MappedFile(const std::byte* data, std::size_t size, std::string path);

  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::string path_;
};

// Asks the kernel to read the pages of [data, data + bytes) ahead, and returns at once. A hint:
// it never fails. `data` must lie in a MappedFile.
void WillNeed(const void* data, std::size_t bytes);

}  // namespace sextant
