// The two messages of sextant.v1.Expert as bytes: DispatchFrame and OutputFrame of expert.proto,
// written and read by hand around the rows, so that a row is copied once, straight between the
// caller's matrix and the bytes that travel. What is written here any protobuf library reads, and
// the other way round: fields come in any order, the last of a kind counts, unknown ones are
// skipped.
//
// Ownership: a parsed frame borrows the chunks that it was parsed from.
// Errors:    InvalidArgument saying which field is wrong, for bytes that are no such message, for
//            sizes that contradict each other, and for what is larger than the limits below.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/exchange/byte_chunks.h"
#include "common/tensor/dtype.h"

namespace sextant {

// Of a frame's output rows on the wire, in one direction; its rows are no more than that.
inline constexpr std::int64_t kMaxFramePayload = 32 << 20;
// Longer messages are refused by the transport: the payload and everything around it.
inline constexpr int kMaxFrameBytes = 64 << 20;
// Rows are numbered in 16 bits.
inline constexpr std::int64_t kMaxFrameRows = 65536;

// How many pairs a frame may hold; at least 1 for every hidden size that a model can have.
[[nodiscard]] std::int64_t MaxFramePairs(std::int64_t hidden, DType type);

struct RowExpert {
  std::uint16_t row = 0;
  std::uint16_t expert = 0;
  friend bool operator==(RowExpert, RowExpert) = default;
};

struct DispatchHeader {
  std::uint64_t dispatch = 0;
  std::uint64_t epoch = 0;
  std::int32_t layer = 0;
  std::int32_t num_rows = 0;
  std::int32_t hidden = 0;
  DType type = DType::kBf16;  // kBf16 or kFp32
  std::vector<RowExpert> pairs;
};

struct DispatchFrame {
  DispatchHeader header;
  ChunkReader rows;  // at the first of num_rows rows
};

struct OutputHeader {
  std::uint64_t dispatch = 0;
  std::int32_t code = 0;  // absl::StatusCode, with gRPC's numbers
  std::string message;
  DType type = DType::kBf16;
};

struct OutputFrame {
  OutputHeader header;
  std::size_t rows_bytes = 0;
  ChunkReader rows;
};

// A message's bytes in one block of malloc's, so that a transport can adopt it.
struct FrameBytes {
  struct Free {
    void operator()(std::uint8_t* bytes) const { std::free(bytes); }
  };
  std::unique_ptr<std::uint8_t, Free> data;
  std::size_t size = 0;
  std::uint8_t* rows = nullptr;  // where the rows go: the last bytes of `data`
};

// Everything but the rows, which the caller packs to `rows`.
[[nodiscard]] FrameBytes StartDispatchFrame(const DispatchHeader& header);
[[nodiscard]] FrameBytes StartOutputFrame(const OutputHeader& header, std::int64_t rows_bytes);

// On an error `frame.header.dispatch` is the number where one could be read, else 0. Pairs are
// checked: rows below num_rows and not descending.
[[nodiscard]] absl::Status ParseDispatchFrame(const ByteChunks& bytes, DispatchFrame& frame);
[[nodiscard]] absl::Status ParseOutputFrame(const ByteChunks& bytes, OutputFrame& frame);

}  // namespace sextant
