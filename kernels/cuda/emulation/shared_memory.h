// The shared memory of an emulated block, and who touched which part of it since the last barrier.
//
// Two accesses to the same place by different threads, one of them a write, with no barrier
// between them that both passed, are a race: on a GPU the result would depend on timing.
// Memory starts as a pattern that is NaN in bf16 and f32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sextant::emulation {

// When a thread does something: barriers its block and its warp have passed. Block epochs grow from
// block to block, so that what an earlier block did is always long ago.
struct Moment {
  std::uint32_t block_epoch;
  std::uint32_t warp_epoch;
  int thread;
};

class SharedMemory {
 public:
  // For a new block.
  void Reset(std::size_t bytes);

  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] std::byte* data() { return bytes_.data(); }

  // Notes an access to bytes [begin, begin + count), both even. The thread it races with, or -1.
  [[nodiscard]] int NoteRead(const Moment& now, std::size_t begin, std::size_t count);
  [[nodiscard]] int NoteWrite(const Moment& now, std::size_t begin, std::size_t count);
  // The same as NoteWrite for a copy that has been issued but not finished: nothing is noted.
  [[nodiscard]] int CheckWrite(const Moment& now, std::size_t begin, std::size_t count) const;
  // An atomic operation races with plain accesses only.
  [[nodiscard]] int NoteAtomic(const Moment& now, std::size_t begin, std::size_t count);

 private:
  static constexpr std::int32_t kNone = -1;
  static constexpr std::int32_t kSeveralOfOneWarp = -2;
  static constexpr std::int32_t kSeveralWarps = -3;
  // Who did something at this place in block_epoch: one thread, several threads of the warp of
  // `example`, or several warps.
  struct Access {
    std::uint32_t block_epoch = 0;
    std::uint32_t warp_epoch = 0;
    std::int32_t who = kNone;
    std::int32_t example = kNone;
  };
  struct Cell {
    Access write;
    Access read;
    Access atomic;
  };
  [[nodiscard]] static int RacesWith(const Access& access, const Moment& now);
  static void Note(Access& access, const Moment& now);

  std::vector<std::byte> bytes_;
  std::vector<Cell> cells_;  // one for two bytes
};

}  // namespace sextant::emulation
