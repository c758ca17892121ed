#include "common/exchange/frame.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace sextant {
namespace {

static_assert(sizeof(RowExpert) == 4, "pairs travel as they lie in memory");

// Wire types of protobuf's encoding.
enum : std::uint64_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

constexpr std::size_t kMaxMessageText = 4096;  // of an error; the rest is cut off

int TypeNumber(DType type) { return type == DType::kBf16 ? 1 : 2; }

class StartWriter {
 public:
  void Number(std::uint64_t field, std::uint64_t value) {
    if (value == 0) return;  // proto3's default
    Varint(field << 3 | kVarint);
    Varint(value);
  }

  void Bytes(std::uint64_t field, const void* data, std::size_t size) {
    if (size == 0) return;
    StartBytes(field, size);
    start_.append(static_cast<const char*>(data), size);
  }

  // The field's content follows outside.
  void StartBytes(std::uint64_t field, std::size_t size) {
    Varint(field << 3 | kBytes);
    Varint(size);
  }

  // The block of the whole message.
  [[nodiscard]] FrameBytes Finish(std::size_t rows_bytes) const {
    FrameBytes frame;
    frame.size = start_.size() + rows_bytes;
    // malloc(0) may be null, and a frame of no bytes is none of ours: dispatches count from 1.
    frame.data.reset(static_cast<std::uint8_t*>(std::malloc(std::max<std::size_t>(frame.size, 1))));
    CHECK(frame.data != nullptr);
    std::memcpy(frame.data.get(), start_.data(), start_.size());
    frame.rows = frame.data.get() + start_.size();
    return frame;
  }

 private:
  void Varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) start_.push_back(static_cast<char>(value | 0x80));
    start_.push_back(static_cast<char>(value));
  }

  std::string start_;
};

// Walks over the fields of a message.
class FieldReader {
 public:
  explicit FieldReader(const ByteChunks& bytes) : reader_(bytes) {}

  // The next field; false at the end of the message.
  [[nodiscard]] absl::StatusOr<bool> Next() {
    if (reader_.remaining() == 0) return false;
    std::uint64_t tag = 0;
    if (!reader_.ReadVarint(tag) || tag >> 3 == 0 || tag >> 3 > kMaxField) {
      return absl::InvalidArgumentError("the frame is no protobuf message: a field has no tag");
    }
    field_ = tag >> 3;
    wire_type_ = tag & 7;
    return true;
  }

  [[nodiscard]] std::uint64_t field() const { return field_; }

  [[nodiscard]] absl::Status Number(std::uint64_t& value) {
    std::uint64_t number = 0;
    if (wire_type_ != kVarint || !reader_.ReadVarint(number)) return Malformed("a number");
    value = number;
    return absl::OkStatus();
  }

  // A number that must lie in [0, limit].
  [[nodiscard]] absl::Status Number(const char* name, std::int32_t limit, std::int32_t& value) {
    std::uint64_t number = 0;
    RETURN_IF_ERROR(Number(number));
    if (number > static_cast<std::uint64_t>(limit)) {
      return absl::InvalidArgumentError(absl::StrCat("the frame's ", name, " is ",
                                                     static_cast<std::int64_t>(number),
                                                     ", outside [0, ", limit, "]"));
    }
    value = static_cast<std::int32_t>(number);
    return absl::OkStatus();
  }

  // Remembers where the content begins, and goes on behind it.
  [[nodiscard]] absl::Status Bytes(ChunkReader& content, std::size_t& size) {
    std::uint64_t length = 0;
    if (wire_type_ != kBytes || !reader_.ReadVarint(length)) return Malformed("bytes");
    content = reader_;
    if (!reader_.Skip(length)) {
      return absl::InvalidArgumentError(absl::StrCat("the frame ends within field ", field_));
    }
    size = static_cast<std::size_t>(length);
    return absl::OkStatus();
  }

  [[nodiscard]] absl::Status Skip() {
    std::uint64_t number = 0;
    ChunkReader content;
    std::size_t size = 0;
    switch (wire_type_) {
      case kVarint:
        return Number(number);
      case kBytes:
        return Bytes(content, size);
      case kFixed64:
      case kFixed32:
        if (!reader_.Skip(wire_type_ == kFixed64 ? 8 : 4)) return Malformed("a fixed number");
        return absl::OkStatus();
      default:
        return Malformed("anything of a known wire type");
    }
  }

 private:
  static constexpr std::uint64_t kMaxField = (1 << 29) - 1;

  [[nodiscard]] absl::Status Malformed(const char* wanted) const {
    return absl::InvalidArgumentError(absl::StrCat("field ", field_, " of the frame is not ",
                                                   wanted, " (wire type ", wire_type_, ")"));
  }

  ChunkReader reader_;
  std::uint64_t field_ = 0;
  std::uint64_t wire_type_ = 0;
};

absl::Status ReadType(FieldReader& fields, DType& type) {
  std::uint64_t number = 0;
  RETURN_IF_ERROR(fields.Number(number));
  if (number != 1 && number != 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("element type ", number, " is neither bf16 (1) nor f32 (2)"));
  }
  type = number == 1 ? DType::kBf16 : DType::kFp32;
  return absl::OkStatus();
}

absl::Status ReadPairs(FieldReader& fields, std::vector<RowExpert>& pairs) {
  ChunkReader content;
  std::size_t size = 0;
  RETURN_IF_ERROR(fields.Bytes(content, size));
  if (size % sizeof(RowExpert) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the frame's pairs have ", size, " bytes, no multiple of 4"));
  }
  pairs.resize(size / sizeof(RowExpert));
  CHECK(content.Read(pairs.data(), size));
  return absl::OkStatus();
}

absl::Status CheckDispatch(const DispatchHeader& header, bool has_type, std::size_t rows_bytes) {
  if (!has_type || header.hidden == 0) {
    return absl::InvalidArgumentError("the frame has no element type or no hidden size");
  }
  const std::int64_t row_bytes = header.hidden * BytesOf(header.type);
  if (static_cast<std::int64_t>(rows_bytes) != header.num_rows * row_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("the frame says ", header.num_rows, " rows of ",
                                                   row_bytes, " bytes, and has ", rows_bytes,
                                                   " bytes of rows"));
  }
  const std::int64_t limit = MaxFramePairs(header.hidden, header.type);
  if (static_cast<std::int64_t>(header.pairs.size()) > limit) {
    return absl::InvalidArgumentError(
        absl::StrCat("the frame has ", header.pairs.size(), " pairs; ", limit, " are allowed"));
  }
  std::uint16_t last = 0;
  for (const RowExpert& pair : header.pairs) {
    if (pair.row >= header.num_rows || pair.row < last) {
      return absl::InvalidArgumentError(absl::StrCat("row ", pair.row, " of a pair follows row ",
                                                     last, " in a frame of ", header.num_rows,
                                                     " rows"));
    }
    last = pair.row;
  }
  return absl::OkStatus();
}

}  // namespace

std::int64_t MaxFramePairs(std::int64_t hidden, DType type) {
  return kMaxFramePayload / (hidden * BytesOf(type));
}

FrameBytes StartDispatchFrame(const DispatchHeader& header) {
  const std::int64_t rows_bytes = header.num_rows * header.hidden * BytesOf(header.type);
  StartWriter start;
  start.Number(1, header.dispatch);
  start.Number(2, header.epoch);
  start.Number(3, static_cast<std::uint64_t>(header.layer));
  start.Number(4, static_cast<std::uint64_t>(header.num_rows));
  start.Number(5, static_cast<std::uint64_t>(header.hidden));
  start.Number(6, static_cast<std::uint64_t>(TypeNumber(header.type)));
  start.Bytes(7, header.pairs.data(), header.pairs.size() * sizeof(RowExpert));
  start.StartBytes(8, static_cast<std::size_t>(rows_bytes));
  return start.Finish(static_cast<std::size_t>(rows_bytes));
}

FrameBytes StartOutputFrame(const OutputHeader& header, std::int64_t rows_bytes) {
  StartWriter start;
  start.Number(1, header.dispatch);
  start.Number(2, static_cast<std::uint64_t>(header.code));
  start.Bytes(3, header.message.data(), std::min(header.message.size(), kMaxMessageText));
  start.Number(4, static_cast<std::uint64_t>(TypeNumber(header.type)));
  start.StartBytes(5, static_cast<std::size_t>(rows_bytes));
  return start.Finish(static_cast<std::size_t>(rows_bytes));
}

absl::Status ParseDispatchFrame(const ByteChunks& bytes, DispatchFrame& frame) {
  frame = {};
  DispatchHeader& header = frame.header;
  FieldReader fields(bytes);
  bool has_type = false;
  std::size_t rows_bytes = 0;
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, fields.Next());
    if (!more) break;
    absl::Status status;
    switch (fields.field()) {
      case 1:
        status = fields.Number(header.dispatch);
        break;
      case 2:
        status = fields.Number(header.epoch);
        break;
      case 3:
        status = fields.Number("layer", std::numeric_limits<std::int32_t>::max(), header.layer);
        break;
      case 4:
        status = fields.Number("num_rows", kMaxFrameRows, header.num_rows);
        break;
      case 5:
        status = fields.Number("hidden", kMaxFramePayload / 4, header.hidden);
        break;
      case 6:
        status = ReadType(fields, header.type);
        has_type = true;
        break;
      case 7:
        status = ReadPairs(fields, header.pairs);
        break;
      case 8:
        status = fields.Bytes(frame.rows, rows_bytes);
        break;
      default:
        status = fields.Skip();
    }
    RETURN_IF_ERROR(status);
  }
  return CheckDispatch(header, has_type, rows_bytes);
}

absl::Status ParseOutputFrame(const ByteChunks& bytes, OutputFrame& frame) {
  frame = {};
  OutputHeader& header = frame.header;
  FieldReader fields(bytes);
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, fields.Next());
    if (!more) return absl::OkStatus();
    absl::Status status;
    switch (fields.field()) {
      case 1:
        status = fields.Number(header.dispatch);
        break;
      case 2:
        status = fields.Number("code", std::numeric_limits<std::int32_t>::max(), header.code);
        break;
      case 3: {
        ChunkReader content;
        std::size_t size = 0;
        status = fields.Bytes(content, size);
        if (!status.ok()) break;
        header.message.resize(std::min(size, kMaxMessageText));
        CHECK(content.Read(header.message.data(), header.message.size()));
        break;
      }
      case 4:
        status = ReadType(fields, header.type);
        break;
      case 5:
        status = fields.Bytes(frame.rows, frame.rows_bytes);
        break;
      default:
        status = fields.Skip();
    }
    RETURN_IF_ERROR(status);
  }
}

}  // namespace sextant
