// Coroutines with stacks of their own: one for each emulated CUDA thread of a block.
//
// Switching saves the callee-saved registers alone, for a block of 256 threads switches at every
// shuffle. A fiber that is not resumed any more is abandoned without unwinding.
// Threads:   a FiberPool and its fibers belong to the thread that made them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sextant::emulation {

class FiberPool {
 public:
  using Body = void (*)(int fiber);

  FiberPool() = default;
  ~FiberPool();
  FiberPool(const FiberPool&) = delete;
  FiberPool& operator=(const FiberPool&) = delete;

  // Makes fibers 0 .. count - 1, each about to run body(fiber), which must not return but end with
  // a switch. Fibers of an earlier call are abandoned.
  void Start(int count, Body body);

  // From the caller's own stack to a fiber; returns at the next SwitchToCaller.
  void SwitchIn(int fiber);
  // Between fibers; one that `ends` is not resumed.
  void Switch(int from, int to, bool ends);
  // Back to who called SwitchIn.
  void SwitchToCaller(int from, bool ends);

 private:
  struct Context {
    void* stack_pointer = nullptr;
    void* sanitizer_stack = nullptr;
    const void* bottom = nullptr;
    std::size_t size = 0;
  };
  static void Enter();
  void Reserve(int count);
  void Change(Context& from, Context& to, bool from_ends);
  void ForgetFrames();

  std::byte* memory_ = nullptr;
  int reserved_ = 0;
  Body body_ = nullptr;
  int entering_ = 0;
  int ended_ = 0;
  std::vector<Context> fibers_;
  Context caller_;
};

}  // namespace sextant::emulation
