#include <new>

#include "kernels/cuda/emulation/block.h"
#include "tests/support/device/device_memory.h"

namespace sextant {
namespace {

constexpr std::align_val_t kAlignment{256};

}  // namespace

std::string WhyNoDevice() { return {}; }
std::string FinishDevice() { return {}; }

DeviceTraffic TakeDeviceTraffic() {
  const emulation::Traffic traffic = emulation::Block::Current().TakeTraffic();
  return {traffic.copied_bytes, traffic.conflicting_rows};
}

void* AllocateOnDevice(std::size_t bytes) { return ::operator new(bytes, kAlignment); }
void FreeOnDevice(void* memory) { ::operator delete(memory, kAlignment); }
void CopyToDevice(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}
void CopyFromDevice(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}

}  // namespace sextant
