// What the host needs to start a CUDA kernel: the stream, the shape of the launch, and how it went.
//
// Plain C++ that names no CUDA type, so that whatever includes an operation's contract compiles
// without the toolkit.
#pragma once

#include <cstdint>

namespace sextant {

// Where kernels of one thread are put in order: a cudaStream_t. Null is the default stream.
struct DeviceStream {
  void* handle = nullptr;
};

enum class LaunchError : std::uint8_t {
  kNone,
  kInvalidArgument,  // the operation refused its arguments; nothing was launched
  kDevice,           // CUDA refused the launch, or an earlier kernel had failed
  kEmulation,        // the emulator found a fault of the kernel (kernels/cuda/emulation)
};

// Whether a launch was accepted. A kernel's own faults show at a later call, as always in CUDA.
struct [[nodiscard]] LaunchStatus {
  LaunchError error = LaunchError::kNone;
  const char* message = "";  // static, or valid until the calling thread's next launch

  [[nodiscard]] bool ok() const { return error == LaunchError::kNone; }
};

[[nodiscard]] inline LaunchStatus RefuseLaunch(const char* message) {
  return {LaunchError::kInvalidArgument, message};
}

struct LaunchShape {
  std::int64_t blocks_x = 1;
  std::int64_t blocks_y = 1;
  int threads = 32;      // of a block; whole warps
  int shared_bytes = 0;  // of a block
};

[[nodiscard]] constexpr std::int64_t DivideUp(std::int64_t value, std::int64_t step) {
  return (value + step - 1) / step;
}

}  // namespace sextant

// Returns a launch's status from the enclosing function unless it is OK.
#define RETURN_IF_LAUNCH_FAILED(expression)                                                  \
  do {                                                                                       \
    if (const ::sextant::LaunchStatus sextant_launch = (expression); !sextant_launch.ok()) { \
      return sextant_launch;                                                                 \
    }                                                                                        \
  } while (false)
