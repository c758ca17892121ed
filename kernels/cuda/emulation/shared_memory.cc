#include "kernels/cuda/emulation/shared_memory.h"

#include <algorithm>

#include "kernels/cuda/words.h"

namespace sextant::emulation {
namespace {

constexpr std::size_t kCellBytes = 2;
constexpr std::byte kUnwritten{0xff};

}  // namespace

void SharedMemory::Reset(std::size_t bytes) {
  bytes_.assign(bytes, kUnwritten);
  const std::size_t cells = (bytes + kCellBytes - 1) / kCellBytes;
  if (cells_.size() < cells) cells_.resize(cells);
}

int SharedMemory::RacesWith(const Access& access, const Moment& now) {
  if (access.who == kNone || access.block_epoch != now.block_epoch || access.who == now.thread) {
    return kNone;
  }
  const bool same_warp =
      access.who != kSeveralWarps && access.example / kWarpSize == now.thread / kWarpSize;
  if (same_warp && access.warp_epoch != now.warp_epoch) return kNone;
  return access.example;
}

void SharedMemory::Note(Access& access, const Moment& now) {
  if (access.who == kNone || access.block_epoch != now.block_epoch) {
    access = {now.block_epoch, now.warp_epoch, now.thread, now.thread};
    return;
  }
  if (access.who == now.thread) {
    access.warp_epoch = now.warp_epoch;
    return;
  }
  if (access.who == kSeveralWarps) return;
  if (access.example / kWarpSize == now.thread / kWarpSize) {
    // The warp's earlier accesses lie before its last barrier, and no longer matter to it; to other
    // warps one of them is as good as all.
    access.who = access.warp_epoch == now.warp_epoch ? kSeveralOfOneWarp : now.thread;
    access.warp_epoch = now.warp_epoch;
    if (access.who == now.thread) access.example = now.thread;
  } else {
    access.who = kSeveralWarps;
    access.example = now.thread;
  }
}

int SharedMemory::NoteRead(const Moment& now, std::size_t begin, std::size_t count) {
  for (std::size_t cell = begin / kCellBytes; cell < (begin + count) / kCellBytes; ++cell) {
    if (const int other = RacesWith(cells_[cell].write, now); other != kNone) return other;
    if (const int other = RacesWith(cells_[cell].atomic, now); other != kNone) return other;
    Note(cells_[cell].read, now);
  }
  return kNone;
}

int SharedMemory::CheckWrite(const Moment& now, std::size_t begin, std::size_t count) const {
  for (std::size_t cell = begin / kCellBytes; cell < (begin + count) / kCellBytes; ++cell) {
    for (const Access* access : {&cells_[cell].write, &cells_[cell].read, &cells_[cell].atomic}) {
      if (const int other = RacesWith(*access, now); other != kNone) return other;
    }
  }
  return kNone;
}

int SharedMemory::NoteWrite(const Moment& now, std::size_t begin, std::size_t count) {
  if (const int other = CheckWrite(now, begin, count); other != kNone) return other;
  for (std::size_t cell = begin / kCellBytes; cell < (begin + count) / kCellBytes; ++cell) {
    Note(cells_[cell].write, now);
  }
  return kNone;
}

int SharedMemory::NoteAtomic(const Moment& now, std::size_t begin, std::size_t count) {
  for (std::size_t cell = begin / kCellBytes; cell < (begin + count) / kCellBytes; ++cell) {
    if (const int other = RacesWith(cells_[cell].write, now); other != kNone) return other;
    if (const int other = RacesWith(cells_[cell].read, now); other != kNone) return other;
    Note(cells_[cell].atomic, now);
  }
  return kNone;
}

}  // namespace sextant::emulation
