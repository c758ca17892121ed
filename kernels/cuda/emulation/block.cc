#include "kernels/cuda/emulation/block.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace sextant::emulation {
namespace {

constexpr std::size_t kCopyBytes = 16;
// What a block may have on sm_80, the smaller of the two targets (CUDA C++ Programming Guide,
// "Technical Specifications per Compute Capability").
constexpr int kMostSharedBytes = 163 * 1024;
constexpr int kMostThreads = 1024;

// What unwinds a thread whose kernel has a fault; caught where the thread began.
struct KernelFault {};

std::string Place(const Where& where) {
  const std::string file = where.file;
  return absl::StrCat(file.substr(file.find_last_of('/') + 1), ":", where.line);
}

}  // namespace

Block& Block::Current() {
  thread_local Block block;
  return block;
}

DeviceStatus Block::Check(const LaunchShape& shape) {
  if (shape.blocks_x >= 1 && shape.blocks_y >= 1 && shape.blocks_y <= 65535 && shape.threads >= 1 &&
      shape.threads <= kMostThreads && shape.threads % kWarpSize == 0 && shape.shared_bytes >= 0 &&
      shape.shared_bytes <= kMostSharedBytes) {
    return {};
  }
  message_ = absl::StrCat("no GPU of sm_80 can launch ", shape.blocks_x, " x ", shape.blocks_y,
                          " blocks of ", shape.threads, " threads with ", shape.shared_bytes,
                          " bytes of shared memory");
  return {DeviceError::kEmulation, message_.c_str()};
}

DeviceStatus Block::Run(const LaunchShape& shape, const std::function<void()>& kernel) {
  RETURN_IF_DEVICE_FAILED(Check(shape));
  message_.clear();
  failed_ = false;
  shape_ = shape;
  kernel_ = &kernel;
  for (std::int64_t y = 0; y < shape.blocks_y; ++y) {
    for (std::int64_t x = 0; x < shape.blocks_x; ++x) {
      block_x_ = static_cast<int>(x);
      block_y_ = static_cast<int>(y);
      if (!RunBlock()) return {DeviceError::kEmulation, message_.c_str()};
    }
  }
  return {};
}

bool Block::RunBlock() {
  const auto count = static_cast<std::size_t>(shape_.threads);
  threads_.resize(count);
  for (Thread& thread : threads_) {
    thread.waits = Waits::kNot;
    thread.groups.clear();
    thread.uncommitted.clear();
  }
  warps_.resize(count / kWarpSize);
  for (Warp& warp : warps_) {
    warp.runnable = 0xffffffffU;
    warp.arrived = 0;
  }
  arrived_ = 0;
  ended_ = 0;
  ++block_epoch_;
  memory_.Reset(static_cast<std::size_t>(shape_.shared_bytes));
  fibers_.Start(shape_.threads, ThreadMain);
  thread_ = 0;
  fibers_.SwitchIn(0);
  return !failed_;
}

void Block::ThreadMain(int) {
  Block& block = Current();
  try {
    block.RunThread();
  } catch (const KernelFault&) {
    // The thread's frames are left as they should be; those of the others are abandoned, and hold
    // nothing.
  }
  block.fibers_.SwitchToCaller(block.thread_, true);
}

// Returns when all threads have ended, in the last one.
void Block::RunThread() {
  (*kernel_)();
  if (!self().groups.empty() || !self().uncommitted.empty()) {
    Fail("the thread ends while its asynchronous copies are under way", Where::Current());
  }
  self().waits = Waits::kEnded;
  warp().runnable &= ~(1U << (thread_ % kWarpSize));
  if (++ended_ < shape_.threads) RunAnother(true);
}

void Block::RunAnother(bool ends) {
  const int mine = thread_ / kWarpSize;
  const int warps = static_cast<int>(warps_.size());
  for (int i = 0; i < warps; ++i) {
    const int index = (mine + i) % warps;
    const std::uint32_t runnable = warps_[static_cast<std::size_t>(index)].runnable;
    if (runnable == 0) continue;
    const int from = thread_;
    thread_ = index * kWarpSize + std::countr_zero(runnable);
    fibers_.Switch(from, thread_, ends);
    return;
  }
  FailOfDeadlock();
}

void Block::Yield() {
  const int me = thread_;
  warp().runnable &= ~(1U << (me % kWarpSize));
  RunAnother(false);
}

void Block::MakeRunnable(int warp_index) {
  for (int lane = 0; lane < kWarpSize; ++lane) {
    threads_[static_cast<std::size_t>(warp_index * kWarpSize + lane)].waits = Waits::kNot;
  }
  warps_[static_cast<std::size_t>(warp_index)].runnable = 0xffffffffU;
}

void Block::BlockBarrier(Where where) {
  self().waits = Waits::kForBlock;
  self().operation = "BlockBarrier";
  self().where = where;
  if (++arrived_ < shape_.threads) {
    Yield();
    return;
  }
  for (const Thread& thread : threads_) {
    if (thread.where.line != where.line) {
      Fail(absl::StrCat("threads of one block wait at different barriers, here and at ",
                        Place(thread.where)),
           where);
    }
  }
  arrived_ = 0;
  ++block_epoch_;
  for (std::size_t i = 0; i < warps_.size(); ++i) MakeRunnable(static_cast<int>(i));
}

void Block::MeetWarp(const char* operation, Where where) {
  Warp& mine = warp();
  self().waits = Waits::kForWarp;
  self().operation = operation;
  self().where = where;
  if (++mine.arrived < kWarpSize) {
    Yield();
    return;
  }
  const int first = thread_ / kWarpSize * kWarpSize;
  for (int lane = 0; lane < kWarpSize; ++lane) {
    const Thread& thread = threads_[static_cast<std::size_t>(first + lane)];
    if (thread.where.line != where.line || std::strcmp(thread.operation, operation) != 0) {
      Fail(absl::StrCat("lanes of one warp diverge: ", operation, " here, ", thread.operation,
                        " at ", Place(thread.where)),
           where);
    }
  }
  mine.arrived = 0;
  MakeRunnable(thread_ / kWarpSize);
}

void Block::WarpBarrier(Where where) {
  Warp& mine = warp();
  const bool last = mine.arrived + 1 == kWarpSize;
  if (last) ++mine.epoch;
  MeetWarp("WarpBarrier", where);
}

const std::array<Operands, kWarpSize>& Block::Exchange(const char* operation, const Operands& mine,
                                                       Where where) {
  Warp& warp = this->warp();
  const bool last = warp.arrived + 1 == kWarpSize;
  auto& given = warp.operands[warp.parity ? 1 : 0];
  given[static_cast<std::size_t>(thread_ % kWarpSize)] = mine;
  // Two sets in turn: one is read while the next operation's operands gather in the other.
  if (last) warp.parity = !warp.parity;
  MeetWarp(operation, where);
  return given;
}

void Block::CheckBounds(std::size_t begin, std::size_t count, std::size_t span_begin,
                        std::size_t span_end, Where where) {
  if (begin < span_begin || begin > span_end || count > span_end - begin ||
      span_end > memory_.size()) {
    Fail(absl::StrCat("shared memory out of bounds: bytes ", begin, " .. ", begin + count,
                      " of a span of ", span_begin, " .. ", span_end, ", the block has ",
                      memory_.size()),
         where);
  }
  if (begin % std::min<std::size_t>(count, 16) != 0) {
    Fail(absl::StrCat("shared memory: ", count, " bytes at the unaligned place ", begin), where);
  }
}

void Block::CheckRace(int other, const char* access, Where where) {
  if (other < 0) return;
  Fail(absl::StrCat("race for shared memory: no barrier between this ", access,
                    " and an access by thread ", other),
       where);
}

std::byte* Block::Access(std::size_t begin, std::size_t count, std::size_t span_begin,
                         std::size_t span_end, bool write, Where where) {
  CheckBounds(begin, count, span_begin, span_end, where);
  if (write) {
    CheckRace(memory_.NoteWrite(now(), begin, count), "write", where);
  } else {
    CheckRace(memory_.NoteRead(now(), begin, count), "read", where);
  }
  return memory_.data() + begin;
}

std::byte* Block::AccessAtomically(std::size_t begin, std::size_t count, std::size_t span_begin,
                                   std::size_t span_end, Where where) {
  CheckBounds(begin, count, span_begin, span_end, where);
  CheckRace(memory_.NoteAtomic(now(), begin, count), "atomic operation", where);
  return memory_.data() + begin;
}

void Block::CopyAsync(std::size_t to, std::size_t span_begin, std::size_t span_end,
                      const void* from, bool valid, Where where) {
  CheckBounds(to, kCopyBytes, span_begin, span_end, where);
  CheckRace(memory_.CheckWrite(now(), to, kCopyBytes), "asynchronous copy", where);
  if (valid && reinterpret_cast<std::uintptr_t>(from) % kCopyBytes != 0) {
    Fail("an asynchronous copy from an unaligned place", where);
  }
  if (valid) traffic_.copied_bytes += std::int64_t{kCopyBytes};
  self().uncommitted.push_back({to, valid ? from : nullptr, where});
}

void Block::CopyAsyncCommit() {
  self().groups.push_back(std::move(self().uncommitted));
  self().uncommitted.clear();
}

void Block::CopyAsyncWait(int pending, Where where) {
  auto& groups = self().groups;
  while (groups.size() > static_cast<std::size_t>(pending)) {
    for (const Copy& copy : groups.front()) {
      CheckRace(memory_.NoteWrite(now(), copy.to, kCopyBytes), "asynchronous copy's end", where);
      std::byte* to = memory_.data() + copy.to;
      if (copy.from == nullptr) {
        std::memset(to, 0, kCopyBytes);
      } else {
        std::memcpy(to, copy.from, kCopyBytes);
      }
    }
    groups.erase(groups.begin());
  }
}

void Block::CountMatrixRows(const std::array<std::uint32_t, 8>& places) {
  std::uint32_t groups = 0;  // of four banks, which a row fills
  for (const std::uint32_t place : places) groups |= 1U << (place / kCopyBytes % 8);
  traffic_.matrix_rows += 8;
  traffic_.conflicting_rows += 8 - std::popcount(groups);
}

void Block::Fail(const std::string& message, Where where) {
  failed_ = true;
  message_ = absl::StrCat("thread ", thread_, " of block (", block_x_, ", ", block_y_, ") at ",
                          Place(where), ": ", message);
  throw KernelFault{};
}

void Block::FailOfDeadlock() {
  std::string waiting;
  const Thread* first = nullptr;
  int listed = 0;
  for (std::size_t i = 0; i < threads_.size() && listed < 3; ++i) {
    const Thread& thread = threads_[i];
    if (thread.waits == Waits::kEnded) continue;
    if (first == nullptr) first = &thread;
    absl::StrAppend(&waiting, listed++ == 0 ? "" : ", ", "thread ", i, " at ", thread.operation,
                    " in ", Place(thread.where));
  }
  CHECK(first != nullptr);
  Fail(absl::StrCat(ended_, " of ", shape_.threads,
                    " threads have ended, and the others wait: ", waiting),
       first->where);
}

}  // namespace sextant::emulation
