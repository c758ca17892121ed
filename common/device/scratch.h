// Temporary memory of kernels: a stack of blocks that grows on first use and is then reused.
//
// Ownership: a ScratchScope gives back everything allocated within it when it ends; scopes nest.
// Threads:   one thread allocates (the one that owns the stream); others may use what it got.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace sextant {

class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  // Bytes that are held, in use or not.
  [[nodiscard]] std::size_t bytes_held() const { return bytes_held_; }

 private:
  friend class ScratchScope;
  struct Block {
    struct Free {
      void operator()(std::byte* data) const;
    };
    std::unique_ptr<std::byte, Free> data;
    std::size_t size = 0;
  };

  void* Allocate(std::size_t bytes);

  std::vector<Block> blocks_;
  std::size_t current_ = 0;  // index of the block that allocations come from
  std::size_t used_ = 0;     // bytes used of it
  std::size_t bytes_held_ = 0;
};

class ScratchScope {
 public:
  explicit ScratchScope(Scratch& scratch)
      : scratch_(scratch), current_(scratch.current_), used_(scratch.used_) {}
  ~ScratchScope() {
    scratch_.current_ = current_;
    scratch_.used_ = used_;
  }
  ScratchScope(const ScratchScope&) = delete;
  ScratchScope& operator=(const ScratchScope&) = delete;

  // Uninitialised room for `count` values of a trivial type, aligned to 64 bytes.
  template <typename T>
  [[nodiscard]] T* Allocate(std::int64_t count) {
    return static_cast<T*>(scratch_.Allocate(static_cast<std::size_t>(count) * sizeof(T)));
  }

 private:
  Scratch& scratch_;
  std::size_t current_;
  std::size_t used_;
};

}  // namespace sextant
