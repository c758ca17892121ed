#include "kernels/mla/mla_prefill.h"

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "kernels/mla/mla_reference.h"

namespace sextant {
namespace {

absl::Status CheckArgs(const MlaPrefillArgs& args) {
  RETURN_IF_ERROR(CheckMlaShapes(args.dims, args.cache, args.kv_b, args.precision));
  const std::int64_t q_cols = args.dims.num_heads * args.dims.q_width();
  const std::int64_t out_cols = args.dims.num_heads * args.dims.v;
  if (args.q.cols != q_cols || args.out.rows != args.q.rows || args.out.cols != out_cols ||
      args.start < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("MlaPrefill: q is [", args.q.rows, ", ", args.q.cols, "], out [",
                     args.out.rows, ", ", args.out.cols, "], start ", args.start,
                     ", but heads make q [T, ", q_cols, "] and out [T, ", out_cols, "]"));
  }
  return CheckBlockTable(args.blocks, args.start + args.q.rows, args.cache);
}

}  // namespace

absl::Status MlaPrefill(Stream& /*stream*/, const MlaPrefillArgs& args) {
  RETURN_IF_ERROR(CheckArgs(args));
  MlaPrefillReference(args);
  return absl::OkStatus();
}

}  // namespace sextant
