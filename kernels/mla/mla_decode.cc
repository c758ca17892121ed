#include "kernels/mla/mla_decode.h"

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "kernels/mla/mla_reference.h"

namespace sextant {
namespace {

absl::Status CheckArgs(const MlaDecodeArgs& args) {
  RETURN_IF_ERROR(CheckMlaShapes(args.dims, args.cache, args.kv_b, args.precision));
  const std::int64_t q_cols = args.dims.num_heads * args.dims.q_width();
  const std::int64_t out_cols = args.dims.num_heads * args.dims.v;
  if (args.q.cols != q_cols || args.out.rows != args.q.rows || args.out.cols != out_cols ||
      static_cast<std::int64_t>(args.rows.size()) != args.q.rows) {
    return absl::InvalidArgumentError(
        absl::StrCat("MlaDecode: q is [", args.q.rows, ", ", args.q.cols, "], out [", args.out.rows,
                     ", ", args.out.cols, "], with ", args.rows.size(),
                     " rows, but heads make q [B, ", q_cols, "] and out [B, ", out_cols, "]"));
  }
  for (const MlaDecodeRow& row : args.rows) {
    if (row.length < 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("MlaDecode: a row sees itself, so its length cannot be ", row.length));
    }
    RETURN_IF_ERROR(CheckBlockTable(row.blocks, row.length, args.cache));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status MlaDecode(Stream& /*stream*/, const MlaDecodeArgs& args) {
  RETURN_IF_ERROR(CheckArgs(args));
  MlaDecodeReference(args);
  return absl::OkStatus();
}

}  // namespace sextant
