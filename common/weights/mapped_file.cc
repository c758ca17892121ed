#include "common/weights/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/file.h"

namespace sextant {
namespace {

// Maps the open file; an empty one gives a null pointer.
absl::StatusOr<std::pair<void*, std::size_t>> MapDescriptor(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return FileError(errno, path, "cannot be examined");
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": is not a regular file"));
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size == 0) return std::pair<void*, std::size_t>(nullptr, 0);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return FileError(errno, path, "cannot be mapped");
  // Fewer TLB misses where the file system can hold huge pages; refused elsewhere, which is fine.
  ::madvise(data, size, MADV_HUGEPAGE);
  return std::pair<void*, std::size_t>(data, size);
}

}  // namespace

MappedFile::MappedFile(const std::byte* data, std::size_t size, std::string path)
    : data_(data), size_(size), path_(std::move(path)) {}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(path_, other.path_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

absl::StatusOr<MappedFile> MappedFile::Open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return FileError(errno, path, "cannot be opened");
  auto mapped = MapDescriptor(fd, path);
  ::close(fd);
  if (!mapped.ok()) return mapped.status();
  return MappedFile(static_cast<const std::byte*>(mapped->first), mapped->second, path);
}

absl::string_view MappedFile::text() const { return {reinterpret_cast<const char*>(data_), size_}; }

void WillNeed(const void* data, std::size_t bytes) {
  if (bytes == 0) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(data);
  const std::uintptr_t aligned = begin & ~(page - 1);
  ::madvise(reinterpret_cast<void*>(aligned), bytes + (begin - aligned), MADV_WILLNEED);
}

}  // namespace sextant
