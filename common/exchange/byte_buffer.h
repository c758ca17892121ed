// Frames as gRPC carries them: raw bytes in slices, which no message library touches.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <vector>

#include "absl/status/status.h"
#include "common/exchange/byte_chunks.h"
#include "common/exchange/frame.h"

namespace sextant {

// Full name of the method whose frames these are.
inline constexpr char kExchangeMethod[] = "/sextant.v1.Expert/Exchange";

// Adopts the frame's block; nothing is copied.
[[nodiscard]] grpc::ByteBuffer ToByteBuffer(FrameBytes frame);

// The bytes of one received message; keeps them alive, and does not move.
class ReceivedBytes {
 public:
  explicit ReceivedBytes(const grpc::ByteBuffer& buffer);
  ReceivedBytes(const ReceivedBytes&) = delete;
  ReceivedBytes& operator=(const ReceivedBytes&) = delete;

  [[nodiscard]] const ByteChunks& chunks() const { return chunks_; }

 private:
  std::vector<grpc::Slice> slices_;
  ByteChunks chunks_;
};

}  // namespace sextant
