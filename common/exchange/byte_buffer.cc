#include "common/exchange/byte_buffer.h"

#include <cstdlib>

namespace sextant {

grpc::ByteBuffer ToByteBuffer(FrameBytes frame) {
  const grpc::Slice slice(frame.data.release(), frame.size, &std::free);
  return {&slice, 1};
}

ReceivedBytes::ReceivedBytes(const grpc::ByteBuffer& buffer) {
  if (!buffer.Dump(&slices_).ok()) return;  // not a valid buffer: no bytes, which no frame is
  for (const grpc::Slice& slice : slices_) chunks_.Add({slice.begin(), slice.size()});
}

}  // namespace sextant
