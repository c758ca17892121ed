// Runs a kernel's blocks one after another, each CUDA thread as a fiber.
//
// A fiber runs until it waits for others: at a barrier, or at a warp operation, where it leaves its
// operands and goes on when all lanes have. Faults of the kernel end the launch with a message that
// names the place: a barrier that some threads pass by, shared memory out of bounds or raced for,
// an operation that lanes of one warp do not reach together.
// Threads:   each host thread emulates by itself; one launch at a time.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cuda/emulation/fiber.h"
#include "kernels/cuda/emulation/shared_memory.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/words.h"

namespace sextant::emulation {

// A place in a kernel's source, as a default argument: that of the call.
struct Where {
  const char* file;
  int line;

  static constexpr Where Current(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {file, line};
  }
};

// What a lane gives to a warp operation.
using Operands = std::array<std::uint32_t, 8>;

// What a launch did that costs time on a GPU, over all its blocks.
struct Traffic {
  std::int64_t copied_bytes = 0;      // from global memory, asynchronously
  std::int64_t matrix_rows = 0;       // of 16 bytes, read by ldmatrix
  std::int64_t conflicting_rows = 0;  // of those: rows that met a bank another row was at
};

class Block {
 public:
  // The one of this host thread.
  static Block& Current();

  // Whether a GPU would take such a launch.
  DeviceStatus Check(const LaunchShape& shape);
  DeviceStatus Run(const LaunchShape& shape, const std::function<void()>& kernel);

  // Since the last call of this.
  Traffic TakeTraffic() { return std::exchange(traffic_, {}); }

  // The rest is called by the kernel's threads.
  [[nodiscard]] int thread() const { return thread_; }
  [[nodiscard]] int threads() const { return shape_.threads; }
  [[nodiscard]] int block_x() const { return block_x_; }
  [[nodiscard]] int block_y() const { return block_y_; }
  [[nodiscard]] int blocks_x() const { return static_cast<int>(shape_.blocks_x); }
  [[nodiscard]] SharedMemory& memory() { return memory_; }

  void BlockBarrier(Where where);
  void WarpBarrier(Where where);
  // Gives `mine`, waits for the other lanes of the warp; what each gave, valid until this lane's
  // next warp operation but one.
  const std::array<Operands, kWarpSize>& Exchange(const char* operation, const Operands& mine,
                                                  Where where);

  // Shared memory; `end` is where the span that is used ends.
  std::byte* Access(std::size_t begin, std::size_t count, std::size_t span_begin,
                    std::size_t span_end, bool write, Where where);
  std::byte* AccessAtomically(std::size_t begin, std::size_t count, std::size_t span_begin,
                              std::size_t span_end, Where where);

  // cp.async: data arrive when the thread waits for them, and not a moment earlier.
  void CopyAsync(std::size_t to, std::size_t span_begin, std::size_t span_end, const void* from,
                 bool valid, Where where);
  void CopyAsyncCommit();
  void CopyAsyncWait(int pending, Where where);

  // Eight rows that ldmatrix reads at once, by their places in shared memory.
  void CountMatrixRows(const std::array<std::uint32_t, 8>& places);

  // Ends the launch with this message; does not return.
  [[noreturn]] void Fail(const std::string& message, Where where);

 private:
  enum class Waits : std::uint8_t { kNot, kForWarp, kForBlock, kEnded };
  struct Copy {
    std::size_t to;
    const void* from;  // null: zeros
    Where where;
  };
  struct Thread {
    Waits waits = Waits::kNot;
    const char* operation = "";
    Where where = {"", 0};
    std::vector<std::vector<Copy>> groups;  // committed, the oldest first
    std::vector<Copy> uncommitted;
  };
  struct Warp {
    std::uint32_t runnable = 0;
    int arrived = 0;
    std::uint32_t epoch = 0;
    bool parity = false;
    std::array<std::array<Operands, kWarpSize>, 2> operands;
  };

  static void ThreadMain(int thread);
  void RunThread();
  bool RunBlock();
  [[nodiscard]] Thread& self() { return threads_[static_cast<std::size_t>(thread_)]; }
  [[nodiscard]] Warp& warp() { return warps_[static_cast<std::size_t>(thread_ / kWarpSize)]; }
  [[nodiscard]] Moment now() { return {block_epoch_, warp().epoch, thread_}; }
  void MeetWarp(const char* operation, Where where);
  void MakeRunnable(int warp_index);
  // Lets others run until this thread may go on.
  void Yield();
  void RunAnother(bool ends);
  [[noreturn]] void FailOfDeadlock();
  void CheckBounds(std::size_t begin, std::size_t count, std::size_t span_begin,
                   std::size_t span_end, Where where);
  void CheckRace(int other, const char* access, Where where);

  LaunchShape shape_;
  const std::function<void()>* kernel_ = nullptr;
  int block_x_ = 0;
  int block_y_ = 0;
  int thread_ = 0;
  int arrived_ = 0;
  int ended_ = 0;
  std::uint32_t block_epoch_ = 0;
  bool failed_ = false;
  std::string message_;
  FiberPool fibers_;
  SharedMemory memory_;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  Traffic traffic_;
};

}  // namespace sextant::emulation
