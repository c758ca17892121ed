#include "attention_worker/device/decode_graphs.h"

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/device/graph_rows.h"

namespace sextant {

absl::Status DecodeGraphs::Launch(std::int64_t rows, bool sampled_ids, std::int64_t graph_rows) {
  if (graph_rows > most_) {
    return absl::InvalidArgumentError(
        absl::StrCat("a step of ", graph_rows, " rows, where ", most_,
                     " fit; give all ranks the same max_sequences and max_batch_tokens"));
  }
  const Kind kind(graph_rows > 0 ? graph_rows : GraphRows(rows, most_), sampled_ids);
  auto found = graphs_.find(kind);
  if (found == graphs_.end()) {
    RETURN_IF_ERROR(Capture(kind));
    found = graphs_.find(kind);
  }
  return ToStatus(stream_.gpu().Launch(stream_.handle(), found->second.handle()), "a decode step");
}

absl::Status DecodeGraphs::Capture(const Kind& kind) {
  const std::int64_t rows = kind.first;
  const bool sampled_ids = kind.second;
  const DecodePass pass{.first_row = 0, .rows = rows, .first_table = 0, .one_table = false};
  ASSIGN_OR_RETURN(GpuGraph graph, CaptureGraph(stream_, "capturing a decode step", [&] {
                     return layers_.Run({.rows = rows,
                                         .logit_rows = rows,
                                         .rows_on_device = true,
                                         .sampled_ids = sampled_ids,
                                         .decode = {&pass, 1},
                                         .prompts = {}});
                   }));
  graphs_.emplace(kind, std::move(graph));
  return absl::OkStatus();
}

}  // namespace sextant
