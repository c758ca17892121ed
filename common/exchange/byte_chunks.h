// Bytes that lie in several pieces, as a network library receives them, read as one sequence.
//
// Ownership: pieces are borrowed; readers borrow the ByteChunks too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "common/tensor/dtype.h"

namespace sextant {

class ByteChunks {
 public:
  void Add(absl::Span<const std::uint8_t> piece) {
    if (piece.empty()) return;
    pieces_.push_back(piece);
    size_ += piece.size();
  }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const std::vector<absl::Span<const std::uint8_t>>& pieces() const {
    return pieces_;
  }

 private:
  std::vector<absl::Span<const std::uint8_t>> pieces_;  // none empty
  std::size_t size_ = 0;
};

// A position in the bytes that moves forward. Copies are cheap, and remember a place. A method that
// returns bool leaves the position undefined when it returns false.
class ChunkReader {
 public:
  ChunkReader() = default;
  explicit ChunkReader(const ByteChunks& chunks) : chunks_(&chunks), remaining_(chunks.size()) {}

  [[nodiscard]] std::size_t remaining() const { return remaining_; }

  // False when fewer bytes are left.
  [[nodiscard]] bool Skip(std::size_t count);
  [[nodiscard]] bool Read(void* to, std::size_t count);

  // A protobuf varint: at most 10 bytes, and no bit beyond the 64th.
  [[nodiscard]] bool ReadVarint(std::uint64_t& value);

  // The next `count` values of the wire as f32. CHECKs that they are there.
  void ReadValues(std::int64_t count, DType type, float* to);

 private:
  // What is left of the piece at hand; not empty while bytes remain.
  [[nodiscard]] absl::Span<const std::uint8_t> Ahead() const;
  void Advance(std::size_t count);  // within the piece at hand

  const ByteChunks* chunks_ = nullptr;
  std::size_t piece_ = 0;
  std::size_t offset_ = 0;  // in the piece
  std::size_t remaining_ = 0;
};

}  // namespace sextant
