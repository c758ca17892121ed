// Any bytes, in pieces of any size, as either frame of the exchange: reading never crashes, and
// what it accepts keeps its promises: the rows are there, and writing it again gives a frame that
// reads the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "common/base/check.h"
#include "common/exchange/frame.h"
#include "common/exchange/wire_values.h"

namespace {

using sextant::ByteChunks;

ByteChunks InPieces(const std::uint8_t* data, std::size_t size, std::size_t piece) {
  ByteChunks chunks;
  for (std::size_t at = 0; at < size; at += piece) {
    chunks.Add({data + at, std::min(piece, size - at)});
  }
  return chunks;
}

void ReadDispatch(const ByteChunks& chunks) {
  sextant::DispatchFrame frame;
  if (!sextant::ParseDispatchFrame(chunks, frame).ok()) return;
  const sextant::DispatchHeader& header = frame.header;
  for (const sextant::RowExpert& pair : header.pairs) CHECK_LT(pair.row, header.num_rows);
  std::vector<float> rows(static_cast<std::size_t>(header.num_rows) *
                          static_cast<std::size_t>(header.hidden));
  const auto count = static_cast<std::int64_t>(rows.size());
  frame.rows.ReadValues(count, header.type, rows.data());

  const sextant::FrameBytes again = sextant::StartDispatchFrame(header);
  sextant::PackValues(rows.data(), count, header.type, again.rows);
  const ByteChunks whole = InPieces(again.data.get(), again.size, again.size);
  sextant::DispatchFrame copy;
  CHECK(sextant::ParseDispatchFrame(whole, copy).ok());
  CHECK_EQ(copy.header.dispatch, header.dispatch);
  CHECK_EQ(copy.header.epoch, header.epoch);
  CHECK_EQ(copy.header.layer, header.layer);
  CHECK(copy.header.pairs == header.pairs);
  std::vector<float> same(rows.size());
  copy.rows.ReadValues(count, header.type, same.data());
  CHECK(rows.empty() || std::memcmp(rows.data(), same.data(), rows.size() * sizeof(float)) == 0);
}

void ReadOutput(const ByteChunks& chunks) {
  sextant::OutputFrame frame;
  if (!sextant::ParseOutputFrame(chunks, frame).ok()) return;
  const std::int64_t width = sextant::BytesOf(frame.header.type);
  const std::int64_t count = static_cast<std::int64_t>(frame.rows_bytes) / width;
  std::vector<float> values(static_cast<std::size_t>(count));
  frame.rows.ReadValues(count, frame.header.type, values.data());
}

}  // namespace

// The first byte says how long the pieces are.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteChunks chunks = InPieces(data + 1, size - 1, std::size_t{data[0]} + 1);
  ReadDispatch(chunks);
  ReadOutput(chunks);
  return 0;
}
