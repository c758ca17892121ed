#include "kernels/rope/apply_rope.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/tensor/float_types.h"

namespace sextant {
namespace {

// Below this many pairs one thread is done before another has woken.
constexpr std::int64_t kPairsPerTask = 16 * 1024;

absl::Status CheckArgs(const ApplyRopeArgs& args) {
  const std::int64_t pairs = args.cos.cols;
  if (args.num_heads < 1 || args.x.cols % args.num_heads != 0 ||
      args.x.cols / args.num_heads < 2 * pairs) {
    return absl::InvalidArgumentError(absl::StrCat("rope: rows of ", args.x.cols,
                                                   " values are not ", args.num_heads,
                                                   " heads of at least ", 2 * pairs));
  }
  if (args.cos.rows != args.x.rows || args.sin.rows != args.x.rows || args.sin.cols != pairs) {
    return absl::InvalidArgumentError(absl::StrCat(
        "rope: cos is [", args.cos.rows, ", ", pairs, "] and sin [", args.sin.rows, ", ",
        args.sin.cols, "], but both must have a row for each of ", args.x.rows, " rows"));
  }
  return absl::OkStatus();
}

template <bool kRound>
float Rounded(float value) {
  return kRound ? RoundToBf16(value) : value;
}

template <bool kRound>
void RotateHead(float* x, const float* cos, const float* sin, std::int64_t pairs) {
  for (std::int64_t j = 0; j < pairs; ++j) {
    const float x0 = x[2 * j];
    const float x1 = x[2 * j + 1];
    x[2 * j] = Rounded<kRound>(Rounded<kRound>(x0 * cos[j]) - Rounded<kRound>(x1 * sin[j]));
    x[2 * j + 1] = Rounded<kRound>(Rounded<kRound>(x1 * cos[j]) + Rounded<kRound>(x0 * sin[j]));
  }
}

}  // namespace

absl::Status ApplyRope(Stream& stream, const ApplyRopeArgs& args) {
  RETURN_IF_ERROR(CheckArgs(args));
  const std::int64_t pairs = args.cos.cols;
  const std::int64_t head_dim = args.x.cols / args.num_heads;
  const std::int64_t block =
      std::max<std::int64_t>(1, kPairsPerTask / std::max<std::int64_t>(1, args.num_heads * pairs));
  const std::int64_t tasks = (args.x.rows + block - 1) / block;
  const auto body = [&](std::int64_t task, int) {
    const std::int64_t end = std::min(args.x.rows, (task + 1) * block);
    for (std::int64_t t = task * block; t < end; ++t) {
      for (std::int64_t head = 0; head < args.num_heads; ++head) {
        float* x = args.x.Row(t) + (head + 1) * head_dim - 2 * pairs;
        if (args.precision == Precision::kBf16) {
          RotateHead<true>(x, args.cos.Row(t), args.sin.Row(t), pairs);
        } else {
          RotateHead<false>(x, args.cos.Row(t), args.sin.Row(t), pairs);
        }
      }
    }
  };
  if (tasks == 1) {
    body(0, 0);
  } else {
    stream.pool().ParallelFor(tasks, body);
  }
  return absl::OkStatus();
}

}  // namespace sextant
