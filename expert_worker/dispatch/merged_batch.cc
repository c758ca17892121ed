#include "expert_worker/dispatch/merged_batch.h"

#include <algorithm>

#include "common/base/check.h"
#include "common/exchange/wire_values.h"

namespace sextant {

const ExpertBatch& MergedBatch::Build(absl::Span<DispatchFrame* const> frames,
                                      std::int32_t num_experts) {
  CHECK(!frames.empty());
  const std::int64_t hidden = frames[0]->header.hidden;
  type_ = frames[0]->header.type;
  parts_.clear();
  std::int64_t num_rows = 0;
  std::size_t num_pairs = 0;
  for (const DispatchFrame* frame : frames) {
    const DispatchHeader& header = frame->header;
    CHECK_EQ(header.hidden, hidden);
    CHECK(header.type == type_);
    parts_.push_back({header.dispatch, num_pairs, header.pairs.size()});
    num_rows += header.num_rows;
    num_pairs += header.pairs.size();
  }
  const auto grow = [](std::vector<float>& values, std::size_t size) {
    if (values.size() < size) values.resize(size);
  };
  grow(rows_, static_cast<std::size_t>(num_rows * hidden));
  grow(outputs_, num_pairs * static_cast<std::size_t>(hidden));
  output_of_.resize(num_pairs);
  rows_of_groups_.resize(num_pairs);

  float* to = rows_.data();
  for (DispatchFrame* frame : frames) {
    const std::int64_t values = frame->header.num_rows * hidden;
    frame->rows.ReadValues(values, type_, to);
    to += values;
  }
  Group(frames, num_experts);
  batch_ = {.layer = frames[0]->header.layer,
            .rows = {rows_.data(), num_rows, hidden},
            .groups = groups_,
            .outputs = {outputs_.data(), static_cast<std::int64_t>(num_pairs), hidden}};
  return batch_;
}

// A counting sort of all pairs by expert.
void MergedBatch::Group(absl::Span<DispatchFrame* const> frames, std::int32_t num_experts) {
  next_output_.assign(static_cast<std::size_t>(num_experts) + 1, 0);
  for (const DispatchFrame* frame : frames) {
    for (const RowExpert& pair : frame->header.pairs) {
      CHECK_LT(pair.expert, num_experts);
      ++next_output_[pair.expert + std::size_t{1}];
    }
  }
  groups_.clear();
  const absl::Span<const std::int32_t> all_rows = rows_of_groups_;
  for (std::size_t e = 0; e + 1 < next_output_.size(); ++e) {
    const auto count = static_cast<std::size_t>(next_output_[e + 1]);
    next_output_[e + 1] += next_output_[e];
    if (count == 0) continue;
    groups_.push_back({.expert = static_cast<std::int32_t>(e),
                       .rows = all_rows.subspan(static_cast<std::size_t>(next_output_[e]), count)});
  }
  std::int32_t first_row = 0;
  std::size_t place = 0;
  for (const DispatchFrame* frame : frames) {
    for (const RowExpert& pair : frame->header.pairs) {
      const std::int32_t output = next_output_[pair.expert]++;
      rows_of_groups_[static_cast<std::size_t>(output)] = first_row + pair.row;
      output_of_[place++] = output;
    }
    first_row += frame->header.num_rows;
  }
}

FrameBytes MergedBatch::Answer(std::size_t i) const {
  const Part& part = parts_[i];
  const std::int64_t hidden = batch_.rows.cols;
  const std::int64_t row_bytes = hidden * BytesOf(type_);
  FrameBytes frame =
      StartOutputFrame({.dispatch = part.dispatch, .code = 0, .message = {}, .type = type_},
                       static_cast<std::int64_t>(part.pairs) * row_bytes);
  std::uint8_t* to = frame.rows;
  for (std::size_t p = part.first_pair; p < part.first_pair + part.pairs; ++p) {
    PackValues(batch_.outputs.Row(output_of_[p]), hidden, type_, to);
    to += row_bytes;
  }
  return frame;
}

}  // namespace sextant
