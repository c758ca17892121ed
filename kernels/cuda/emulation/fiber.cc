#include "kernels/cuda/emulation/fiber.h"

#include <sys/mman.h>

#include "common/base/address_sanitizer.h"
#include "common/base/check.h"

#ifdef SEXTANT_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// Saves the registers that a called function must keep, and goes on where `to` was saved.
extern "C" void sextant_switch_stack(void** save_here, void* to);
asm(R"(
.text
.p2align 4
.globl sextant_switch_stack
.type sextant_switch_stack, @function
sextant_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size sextant_switch_stack, . - sextant_switch_stack
)");

namespace sextant::emulation {
namespace {

#ifdef SEXTANT_ADDRESS_SANITIZER
constexpr std::size_t kStackBytes = 512 * 1024;
#else
constexpr std::size_t kStackBytes = 128 * 1024;
#endif
constexpr std::size_t kGuardBytes = 4096;
constexpr std::size_t kFiberBytes = kStackBytes + kGuardBytes;
constexpr std::size_t kSavedRegisters = 6;
// A fiber that ends does so near the top of its stack.
constexpr std::size_t kLastFrameBytes = 8 * 1024;

// Whose fiber starts next on this thread.
thread_local FiberPool* starting = nullptr;

#ifdef SEXTANT_ADDRESS_SANITIZER
// What frames that were never left have poisoned.
void Forget(std::byte* begin, std::size_t bytes) { __asan_unpoison_memory_region(begin, bytes); }
void LeaveStack(void** save, const void* bottom, std::size_t size) {
  __sanitizer_start_switch_fiber(save, bottom, size);
}
void EnterStack(void* saved, const void** old_bottom, std::size_t* old_size) {
  __sanitizer_finish_switch_fiber(saved, old_bottom, old_size);
}
#else
void Forget(std::byte*, std::size_t) {}
void LeaveStack(void**, const void*, std::size_t) {}
void EnterStack(void*, const void**, std::size_t*) {}
#endif

}  // namespace

FiberPool::~FiberPool() {
  if (memory_ != nullptr) munmap(memory_, static_cast<std::size_t>(reserved_) * kFiberBytes);
}

void FiberPool::Reserve(int count) {
  if (count <= reserved_) return;
  if (memory_ != nullptr) munmap(memory_, static_cast<std::size_t>(reserved_) * kFiberBytes);
  const std::size_t bytes = static_cast<std::size_t>(count) * kFiberBytes;
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(memory != MAP_FAILED);
  memory_ = static_cast<std::byte*>(memory);
  reserved_ = count;
  for (int i = 0; i < count; ++i) {
    std::byte* guard = memory_ + static_cast<std::size_t>(i) * kFiberBytes;
    CHECK_EQ(mprotect(guard, kGuardBytes, PROT_NONE), 0);
  }
}

void FiberPool::ForgetFrames() {
  const bool all_ended = ended_ == static_cast<int>(fibers_.size());
  const std::size_t bytes = all_ended ? kLastFrameBytes : kStackBytes;
  for (std::size_t i = 0; i < fibers_.size(); ++i) {
    Forget(memory_ + (i + 1) * kFiberBytes - bytes, bytes);
  }
}

void FiberPool::Start(int count, Body body) {
  ForgetFrames();
  Reserve(count);
  ended_ = 0;
  body_ = body;
  fibers_.assign(static_cast<std::size_t>(count), {});
  for (int i = 0; i < count; ++i) {
    Context& fiber = fibers_[static_cast<std::size_t>(i)];
    std::byte* bottom = memory_ + static_cast<std::size_t>(i) * kFiberBytes + kGuardBytes;
    fiber.bottom = bottom;
    fiber.size = kStackBytes;
    // As a call leaves it: a return address, and before it the saved registers. The stack pointer
    // is 8 short of a multiple of 16 when Enter begins.
    void** top = reinterpret_cast<void**>(bottom + kStackBytes) - 2;
    *top = reinterpret_cast<void*>(&FiberPool::Enter);
    top[1] = nullptr;
    void** saved = top - kSavedRegisters;
    for (std::size_t r = 0; r < kSavedRegisters; ++r) saved[r] = nullptr;
    fiber.stack_pointer = saved;
  }
}

void FiberPool::Change(Context& from, Context& to, bool from_ends) {
  if (from_ends) ++ended_;
  LeaveStack(from_ends ? nullptr : &from.sanitizer_stack, to.bottom, to.size);
  sextant_switch_stack(&from.stack_pointer, to.stack_pointer);
  // Resumed. Where the caller was left, what it lies on is learned by who enters next.
  EnterStack(from.sanitizer_stack, nullptr, nullptr);
}

void FiberPool::Enter() {
  FiberPool& pool = *starting;
  const int fiber = pool.entering_;
  const void* old_bottom = nullptr;
  std::size_t old_size = 0;
  EnterStack(nullptr, &old_bottom, &old_size);
  if (pool.caller_.bottom == nullptr) {
    pool.caller_.bottom = old_bottom;
    pool.caller_.size = old_size;
  }
  pool.body_(fiber);
  CHECK(false && "a fiber's body returned");
}

void FiberPool::SwitchIn(int fiber) {
  starting = this;
  entering_ = fiber;
  caller_.bottom = nullptr;
  Change(caller_, fibers_[static_cast<std::size_t>(fiber)], false);
}

void FiberPool::Switch(int from, int to, bool ends) {
  entering_ = to;
  Change(fibers_[static_cast<std::size_t>(from)], fibers_[static_cast<std::size_t>(to)], ends);
}

void FiberPool::SwitchToCaller(int from, bool ends) {
  Change(fibers_[static_cast<std::size_t>(from)], caller_, ends);
}

}  // namespace sextant::emulation
