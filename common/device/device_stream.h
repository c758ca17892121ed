// The order in which a GPU does things, and how asking it went.
//
// Plain C++ that names no CUDA type, so that whatever includes it compiles without the toolkit.
#pragma once

#include <cstdint>

namespace sextant {

// Where copies and kernels of one thread are put in order: a cudaStream_t. Null is the default
// stream.
struct DeviceStream {
  void* handle = nullptr;
};

enum class DeviceError : std::uint8_t {
  kNone,
  kInvalidArgument,  // the operation refused its arguments; nothing was launched
  kOutOfMemory,
  kDevice,     // CUDA refused, or something before had failed
  kEmulation,  // the emulator found a fault of a kernel (kernels/cuda/emulation)
};

// Whether something was accepted. What goes wrong later shows at a later call, as always in CUDA.
struct [[nodiscard]] DeviceStatus {
  DeviceError error = DeviceError::kNone;
  const char* message = "";  // static, or valid until the calling thread's next call

  [[nodiscard]] bool ok() const { return error == DeviceError::kNone; }
};

}  // namespace sextant

// Returns a status from the enclosing function unless it is OK.
#define RETURN_IF_DEVICE_FAILED(expression)                                                  \
  do {                                                                                       \
    if (const ::sextant::DeviceStatus sextant_device = (expression); !sextant_device.ok()) { \
      return sextant_device;                                                                 \
    }                                                                                        \
  } while (false)
