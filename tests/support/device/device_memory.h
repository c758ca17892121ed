// Memory of the device that kernels are tested on: a GPU, or this process under emulation. Which
// one is a matter of what a test is linked with.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cuda/launch.h"

namespace sextant {

// Why kernels cannot run here; empty where they can.
[[nodiscard]] std::string WhyNoDevice();
// Waits for what was launched. What went wrong, or empty.
[[nodiscard]] std::string FinishDevice();

// What kernels cost since the last call, as the emulator counts it. Tests that ask are named
// ...OnTheEmulator, and left out on a GPU.
struct DeviceTraffic {
  std::int64_t copied_bytes = 0;      // that asynchronous copies read
  std::int64_t conflicting_rows = 0;  // rows of ldmatrix that met a bank another row was at
};
DeviceTraffic TakeDeviceTraffic();

// Aligned to 256 bytes; ends where the count ends, so that sanitizers see what lies beyond.
[[nodiscard]] void* AllocateOnDevice(std::size_t bytes);
void FreeOnDevice(void* memory);
void CopyToDevice(void* to, const void* from, std::size_t bytes);
void CopyFromDevice(void* to, const void* from, std::size_t bytes);

// An array on the device, copied in at construction and out by Read.
template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(const std::vector<T>& values)
      : size_(values.size()), data_(static_cast<T*>(AllocateOnDevice(size_ * sizeof(T)))) {
    CopyToDevice(data_, values.data(), size_ * sizeof(T));
  }
  DeviceArray(std::size_t size, T value) : DeviceArray(std::vector<T>(size, value)) {}
  ~DeviceArray() { FreeOnDevice(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  [[nodiscard]] T* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::vector<T> Read() const {
    std::vector<T> values(size_);
    CopyFromDevice(values.data(), data_, size_ * sizeof(T));
    return values;
  }
  void Write(const std::vector<T>& values) {
    CopyToDevice(data_, values.data(), size_ * sizeof(T));
  }

 private:
  std::size_t size_;
  T* data_;
};

// Skips where there is no device, or fails there under SEXTANT_REQUIRE_GPU=1.
class DeviceTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string reason = WhyNoDevice();
    if (reason.empty()) return;
    const char* required = std::getenv("SEXTANT_REQUIRE_GPU");
    if (required != nullptr && std::strcmp(required, "1") == 0) {
      FAIL() << reason << ", and SEXTANT_REQUIRE_GPU=1 forbids to skip";
    }
    GTEST_SKIP() << reason;
  }
};

// The launch was accepted, and has run.
inline testing::AssertionResult Ran(const DeviceStatus& status) {
  if (!status.ok()) return testing::AssertionFailure() << status.message;
  if (const std::string fault = FinishDevice(); !fault.empty()) {
    return testing::AssertionFailure() << fault;
  }
  return testing::AssertionSuccess();
}

}  // namespace sextant
