#include "common/exchange/byte_chunks.h"

#include <algorithm>
#include <cstring>

#include "common/base/check.h"
#include "common/exchange/wire_values.h"

namespace sextant {

absl::Span<const std::uint8_t> ChunkReader::Ahead() const {
  return chunks_->pieces()[piece_].subspan(offset_);
}

void ChunkReader::Advance(std::size_t count) {
  offset_ += count;
  remaining_ -= count;
  if (offset_ == chunks_->pieces()[piece_].size()) {
    ++piece_;
    offset_ = 0;
  }
}

bool ChunkReader::Skip(std::size_t count) {
  if (count > remaining_) return false;
  while (count > 0) {
    const std::size_t step = std::min(count, Ahead().size());
    Advance(step);
    count -= step;
  }
  return true;
}

bool ChunkReader::Read(void* to, std::size_t count) {
  if (count > remaining_) return false;
  auto* next = static_cast<std::uint8_t*>(to);
  while (count > 0) {
    const absl::Span<const std::uint8_t> ahead = Ahead();
    const std::size_t step = std::min(count, ahead.size());
    std::memcpy(next, ahead.data(), step);
    Advance(step);
    next += step;
    count -= step;
  }
  return true;
}

bool ChunkReader::ReadVarint(std::uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (remaining_ == 0) return false;
    const std::uint8_t byte = Ahead().front();
    Advance(1);
    if (shift == 63 && byte > 1) return false;
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

void ChunkReader::ReadValues(std::int64_t count, DType type, float* to) {
  const auto width = static_cast<std::size_t>(BytesOf(type));
  CHECK_LE(static_cast<std::size_t>(count) * width, remaining_);
  while (count > 0) {
    const absl::Span<const std::uint8_t> ahead = Ahead();
    const std::int64_t whole = std::min(count, static_cast<std::int64_t>(ahead.size() / width));
    if (whole > 0) {
      UnpackValues(ahead.data(), whole, type, to);
      Advance(static_cast<std::size_t>(whole) * width);
    } else {  // one value lies across the border of two pieces, or of more
      std::uint8_t bytes[sizeof(float)];
      CHECK(Read(bytes, width));
      UnpackValues(bytes, 1, type, to);
    }
    const std::int64_t done = std::max<std::int64_t>(whole, 1);
    to += done;
    count -= done;
  }
}

}  // namespace sextant
