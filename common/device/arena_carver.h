// Hands out the pieces of one stretch of memory, one after another, so that one function both
// counts what a layout takes and makes its pointers.
//
//   ArenaCarver counting(nullptr);   LayOut(counting);  allocate(counting.bytes());
//   ArenaCarver carving(memory);     LayOut(carving);
//
// Shapes:    every piece begins at a multiple of 256 bytes from the start, and so does what follows
//            the last one.
// Ownership: pieces are of the memory that was given, which must be as large as was counted.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sextant {

class ArenaCarver {
 public:
  static constexpr std::int64_t kAlignment = 256;

  // Null: counts, and every piece is null.
  explicit ArenaCarver(std::byte* memory) : memory_(memory) {}

  // Room for `count` values; null for none. `tally` grows by the bytes that this took.
  template <typename T>
  T* Take(std::int64_t count, std::int64_t* tally = nullptr) {
    const auto size = static_cast<std::int64_t>(sizeof(T));
    const std::int64_t taken = (count * size + kAlignment - 1) / kAlignment * kAlignment;
    T* const piece =
        memory_ == nullptr || count == 0 ? nullptr : reinterpret_cast<T*>(memory_ + bytes_);
    bytes_ += taken;
    if (tally != nullptr) *tally += taken;
    return piece;
  }

  [[nodiscard]] std::int64_t bytes() const { return bytes_; }

 private:
  std::byte* memory_;
  std::int64_t bytes_ = 0;
};

}  // namespace sextant
