// What the host needs to start a CUDA kernel: the stream, the shape of the launch, and how it went.
#pragma once

#include <cstdint>

#include "common/device/device_stream.h"

namespace sextant {

[[nodiscard]] inline DeviceStatus RefuseLaunch(const char* message) {
  return {DeviceError::kInvalidArgument, message};
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
