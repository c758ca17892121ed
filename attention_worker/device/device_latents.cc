#include "attention_worker/device/device_latents.h"

namespace sextant {

void DeviceLatents::Copy(std::int64_t from, std::int64_t to, std::int64_t bytes) {
  // A copy within memory of ours is refused only where the GPU has failed before, and then the next
  // step says so.
  static_cast<void>(stream_.gpu().CopyWithin(stream_.handle(), memory_.data() + to,
                                             memory_.data() + from, bytes));
}

}  // namespace sextant
