#include "kernels/embedding/embedding.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/tensor/float_types.h"

namespace sextant {
namespace {

constexpr std::int64_t kTokensPerTask = 64;

absl::Status CheckArgs(const EmbeddingArgs& args) {
  const auto tokens = static_cast<std::int64_t>(args.ids.size());
  if (args.rows.rows != tokens || args.rows.cols != args.table.cols) {
    return absl::InvalidArgumentError(absl::StrCat("Embedding: ", tokens, " ids of width ",
                                                   args.table.cols, ", but room for [",
                                                   args.rows.rows, ", ", args.rows.cols, "]"));
  }
  if (args.table.dtype != DType::kBf16 && args.table.dtype != DType::kFp32) {
    return absl::InvalidArgumentError(
        absl::StrCat("Embedding: the table is ", Name(args.table.dtype), ", not bf16 or fp32"));
  }
  for (std::int64_t t = 0; t < tokens; ++t) {
    const std::int32_t id = args.ids[static_cast<std::size_t>(t)];
    if (id < 0 || id >= args.table.rows) {
      return absl::InvalidArgumentError(absl::StrCat(
          "token id ", id, " at position ", t, " is outside the vocabulary of ", args.table.rows));
    }
  }
  return absl::OkStatus();
}

// The table may start at any byte, so elements are copied out rather than pointed at.
template <typename T>
T Load(const char* bytes, std::int64_t index) {
  T value;
  std::memcpy(&value, bytes + index * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
  return value;
}

void CopyRow(const EmbeddingArgs& args, std::int64_t t) {
  const std::int64_t width = args.table.cols;
  const std::int64_t id = args.ids[static_cast<std::size_t>(t)];
  const char* source =
      static_cast<const char*>(args.table.data) + id * width * BytesOf(args.table.dtype);
  float* row = args.rows.Row(t);
  if (args.table.dtype == DType::kBf16) {
    for (std::int64_t h = 0; h < width; ++h) row[h] = ToFloat(Load<Bf16>(source, h));
  } else if (args.precision == Precision::kBf16) {
    for (std::int64_t h = 0; h < width; ++h) row[h] = RoundToBf16(Load<float>(source, h));
  } else {
    std::memcpy(row, source, static_cast<std::size_t>(width) * sizeof(float));
  }
}

}  // namespace

absl::Status Embedding(Stream& stream, const EmbeddingArgs& args) {
  RETURN_IF_ERROR(CheckArgs(args));
  const auto tokens = static_cast<std::int64_t>(args.ids.size());
  const auto copy_rows = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) CopyRow(args, t);
  };
  if (tokens <= kTokensPerTask) {
    copy_rows(0, tokens);
    return absl::OkStatus();
  }
  stream.pool().ParallelFor((tokens + kTokensPerTask - 1) / kTokensPerTask,
                            [&](std::int64_t task, int) {
                              const std::int64_t begin = task * kTokensPerTask;
                              copy_rows(begin, std::min(tokens, begin + kTokensPerTask));
                            });
  return absl::OkStatus();
}

}  // namespace sextant
