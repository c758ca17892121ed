#include "kernels/sampling/sample.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "kernels/sampling/row_passes.h"
#include "kernels/sampling/row_sampler.h"
#include "kernels/sampling/sample_row.h"

namespace sextant {
namespace {

absl::Status CheckArgs(const SampleArgs& args) {
  const std::int64_t rows = args.logits.rows;
  if (static_cast<std::int64_t>(args.rows.size()) != rows ||
      static_cast<std::int64_t>(args.results.size()) != rows || args.logits.cols < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "Sample: logits are [", rows, ", ", args.logits.cols, "], but ", args.rows.size(),
        " rows are described and ", args.results.size(), " results wanted"));
  }
  return CheckBannedIds(args.banned_ids, args.logits.cols);
}

absl::Status CheckHistory(const char* what, absl::Span<const std::int32_t> ids,
                          std::int64_t vocab_size) {
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= vocab_size) {
      return absl::InvalidArgumentError(absl::StrCat("the ", what, " holds token id ", id,
                                                     ", outside the vocabulary of ", vocab_size));
    }
  }
  return absl::OkStatus();
}

const RowPasses* PassesFor(Backend backend) {
  switch (backend) {
    case Backend::kReference:
      return nullptr;
    case Backend::kCpuAvx2:
      return &RowPassesAvx2();
    case Backend::kCpuAvx512:
    case Backend::kCpuAvx512Bf16:
      return &RowPassesAvx512();
  }
  return nullptr;
}

}  // namespace

absl::Status CheckBannedIds(absl::Span<const std::int32_t> ids, std::int64_t vocab_size) {
  std::int32_t previous = -1;
  for (const std::int32_t id : ids) {
    if (id <= previous || id >= vocab_size) {
      return absl::InvalidArgumentError(absl::StrCat("Sample: banned id ", id, " after ", previous,
                                                     ": they must ascend within the vocabulary of ",
                                                     vocab_size));
    }
    previous = id;
  }
  return absl::OkStatus();
}

absl::Status CheckSampleRow(const SampleRow& row, std::int64_t vocab_size) {
  if (row.params == nullptr) return absl::InvalidArgumentError("Sample: a row without params");
  RETURN_IF_ERROR(Validate(*row.params, vocab_size));
  RETURN_IF_ERROR(CheckHistory("prompt", row.prompt, vocab_size));
  return CheckHistory("output", row.output, vocab_size);
}

absl::Status NotFiniteError() {
  return absl::InternalError(
      "the model computed a logit that is not a finite number: its weights are damaged, or their "
      "range is too small for this precision");
}

absl::Status AllBannedError() {
  return absl::FailedPreconditionError("no token may be sampled: every id is banned");
}

absl::Status Sample(Stream& stream, const SampleArgs& args) {
  RETURN_IF_ERROR(CheckArgs(args));
  const RowPasses* passes = PassesFor(stream.backend());
  ScratchScope scope(stream.scratch());
  std::vector<RowSampler> samplers;
  // Fewer rows than threads: a sampler for each row, else one for each thread.
  const std::int64_t threads = stream.pool().num_threads();
  const bool sampler_per_row = args.logits.rows <= threads;
  const std::int64_t count = sampler_per_row ? args.logits.rows : threads;
  if (passes != nullptr) {
    samplers.reserve(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i)
      samplers.emplace_back(*passes, args.logits.cols, scope);
  }
  const auto sample_row = [&](std::int64_t r, int worker) -> absl::StatusOr<SampledToken> {
    const SampleRow& row = args.rows[static_cast<std::size_t>(r)];
    RETURN_IF_ERROR(CheckSampleRow(row, args.logits.cols));
    const SampleRowArgs row_args = {
        .logits = {args.logits.Row(r), static_cast<std::size_t>(args.logits.cols)},
        .banned_ids = args.banned_ids,
        .row = &row};
    if (passes == nullptr) return SampleRowReference(row_args);
    return samplers[static_cast<std::size_t>(sampler_per_row ? r : worker)].Sample(row_args);
  };
  const auto keep_result = [&](std::int64_t r, int worker) {
    args.results[static_cast<std::size_t>(r)] = sample_row(r, worker);
  };
  if (args.logits.rows == 1) {
    keep_result(0, 0);
  } else {
    stream.pool().ParallelFor(args.logits.rows, keep_result);
  }
  return absl::OkStatus();
}

}  // namespace sextant
