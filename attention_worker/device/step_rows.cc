#include "attention_worker/device/step_rows.h"

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"
#include "kernels/mla/mla_decode_cuda.h"

namespace sextant {
namespace {

// Divides decode rows among passes as they come.
class PassBuilder {
 public:
  PassBuilder(const StepSizes& sizes, std::vector<DecodePass>& passes)
      : sizes_(sizes), passes_(passes) {}

  // A row of the slice with table `table`, of `length` keys; `alone` in its slice or not.
  void Add(std::int64_t row, std::int64_t table, std::int64_t length, bool alone) {
    const std::int64_t splits = DivideUp(length, kDecodeSplitCuda);
    CHECK_LE(splits, sizes_.max_splits);
    if (!Continues(table, alone) || passes_.back().rows == sizes_.decode_rows ||
        splits_ + splits > sizes_.max_splits) {
      passes_.push_back({.first_row = row, .rows = 0, .first_table = table, .one_table = !alone});
      splits_ = 0;
    }
    ++passes_.back().rows;
    splits_ += splits;
  }

 private:
  [[nodiscard]] bool Continues(std::int64_t table, bool alone) const {
    if (passes_.empty() || passes_.back().one_table == alone) return false;
    return alone || passes_.back().first_table == table;
  }

  const StepSizes& sizes_;
  std::vector<DecodePass>& passes_;
  std::int64_t splits_ = 0;  // of the last pass
};

absl::Status CheckLimit(const char* what, std::int64_t count, std::int64_t limit) {
  if (count <= limit) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("a step of ", count, " ", what, "; this engine was made for ", limit));
}

absl::Status CheckStep(const StepRows& step, const StepSizes& sizes) {
  RETURN_IF_ERROR(CheckLimit("rows", step.count(), sizes.rows));
  RETURN_IF_ERROR(CheckLimit("rows of logits", step.num_logits(), sizes.logit_rows));
  return CheckLimit("sequences", static_cast<std::int64_t>(step.tables.size()), sizes.decode_rows);
}

}  // namespace

absl::StatusOr<StepRows> PlanStepRows(absl::Span<const SequenceSlice> slices,
                                      const StepSizes& sizes, std::int64_t positions) {
  StepRows step;
  PassBuilder passes(sizes, step.decode);
  bool prompt_seen = false;
  for (const SequenceSlice& slice : slices) {
    CHECK(!(prompt_seen && slice.generated));
    prompt_seen = prompt_seen || !slice.generated;
    const auto length = static_cast<std::int64_t>(slice.token_ids.size());
    CHECK_LE(slice.num_logits, length);
    if (slice.start + length > positions) {
      return absl::InvalidArgumentError(absl::StrCat("position ", slice.start + length - 1,
                                                     " is beyond the model's ", positions));
    }
    const auto table = static_cast<std::int64_t>(step.tables.size());
    step.tables.push_back(slice.blocks->table());
    if (!slice.generated) {
      step.prompts.push_back({.first_row = step.count(),
                              .rows = length,
                              .table = table,
                              .start = slice.start,
                              .num_logits = slice.num_logits});
    }
    for (std::int64_t i = 0; i < length; ++i) {
      const std::int64_t position = slice.start + i;
      const std::int64_t row = step.count();
      if (slice.generated) {
        passes.Add(row, table, position + 1, length == 1);
        step.lengths.push_back(static_cast<std::int32_t>(position + 1));
      }
      if (i >= length - slice.num_logits) {
        step.logit_rows.push_back(static_cast<std::int32_t>(row));
      }
      step.token_ids.push_back(slice.token_ids[static_cast<std::size_t>(i)]);
      step.positions.push_back(static_cast<std::int32_t>(position));
      step.slots.push_back(slice.blocks->Slot(position));
    }
  }
  RETURN_IF_ERROR(CheckStep(step, sizes));
  return step;
}

}  // namespace sextant
