#include "kernels/linear/linear.h"

#include <algorithm>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "kernels/linear/linear_reference.h"
#include "kernels/linear/product.h"

namespace sextant {
namespace {

absl::Status Check(const LinearArgs& args) {
  const auto& [x, weight, y, precision] = args;
  if (weight.dtype != DType::kBf16 && weight.dtype != DType::kFp32) {
    return absl::InvalidArgumentError(
        absl::StrCat("linear: the weight is ", Name(weight.dtype), "; give it as bf16 or fp32"));
  }
  if (x.cols != weight.cols || y.cols != weight.rows || x.rows != y.rows) {
    return absl::InvalidArgumentError(absl::StrCat(
        "linear: x [", x.rows, ", ", x.cols, "], weight [", weight.rows, ", ", weight.cols,
        "] and y [", y.rows, ", ", y.cols, "] do not fit: y = x W^T needs [T, K], [N, K], [T, N]"));
  }
  if (x.rows < 0 || x.cols < 0 || weight.rows < 0 || x.stride < x.cols || y.stride < y.cols) {
    return absl::InvalidArgumentError(
        absl::StrCat("linear: a negative size, or a row stride (x ", x.stride, ", y ", y.stride,
                     ") shorter than its row (", x.cols, ", ", y.cols, ")"));
  }
  return absl::OkStatus();
}

bool SameRows(const MatrixView<const float>& a, const MatrixView<const float>& b) {
  return a.data == b.data && a.rows == b.rows && a.cols == b.cols && a.stride == b.stride;
}

}  // namespace

absl::Status Linear(Stream& stream, const LinearArgs& args) {
  return LinearGroup(stream, absl::MakeConstSpan(&args, 1));
}

absl::Status LinearGroup(Stream& stream, absl::Span<const LinearArgs> products) {
  for (const LinearArgs& args : products) RETURN_IF_ERROR(Check(args));
  if (stream.backend() == Backend::kReference) {
    for (const LinearArgs& args : products) LinearReference(args);
    return absl::OkStatus();
  }
  ScratchScope scope(stream.scratch());
  absl::InlinedVector<PackArgs, 4> packs;
  absl::InlinedVector<Product, 4> packed_products;
  for (const LinearArgs& args : products) {
    const PanelKernels& kernels =
        PanelKernelsFor(stream.backend(), args.precision, args.weight.dtype, args.x.rows);
    const auto same = std::find_if(packs.begin(), packs.end(), [&](const PackArgs& pack) {
      return pack.to.kernels == &kernels && SameRows(pack.x, args.x);
    });
    PackedRows x;
    if (same != packs.end()) {
      x = same->to;
    } else {
      x = AllocatePacked(scope, kernels, args.x.rows, args.x.cols);
      packs.push_back({.x = args.x, .to = x});
    }
    packed_products.push_back(
        {.x = x, .weight = args.weight, .y = args.y, .precision = args.precision});
  }
  PackRows(stream, packs);
  RunProducts(stream, packed_products);
  return absl::OkStatus();
}

}  // namespace sextant
