// What lies in a GPU's memory, for tests.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "common/device/gpu_driver.h"

namespace sextant {

// Once everything on the default stream has happened; other streams must have been waited for.
template <typename T>
std::vector<T> ReadDevice(GpuDriver& gpu, const T* from, std::int64_t count) {
  std::vector<T> values(static_cast<std::size_t>(count));
  const auto bytes = count * static_cast<std::int64_t>(sizeof(T));
  const DeviceStatus copied = gpu.CopyOut({}, values.data(), from, bytes);
  EXPECT_TRUE(copied.ok()) << copied.message;
  const DeviceStatus done = gpu.Synchronize({});
  EXPECT_TRUE(done.ok()) << done.message;
  return values;
}

}  // namespace sextant
