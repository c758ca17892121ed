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
  const auto& [rows, sampled_ids] = kind;
  GpuDriver& gpu = stream_.gpu();
  const DecodePass pass{.first_row = 0, .rows = rows, .first_table = 0, .one_table = false};
  RETURN_IF_ERROR(ToStatus(gpu.BeginCapture(stream_.handle()), "capturing a decode step"));
  const absl::Status captured = layers_.Run({.rows = rows,
                                             .logit_rows = rows,
                                             .rows_on_device = true,
                                             .sampled_ids = sampled_ids,
                                             .decode = {&pass, 1},
                                             .prompts = {}});
  // Ends the capture in any case, else the stream could not be used again.
  DeviceGraph graph;
  const DeviceStatus ended = gpu.EndCapture(stream_.handle(), &graph);
  if (ended.ok()) {
    GpuGraph owned(gpu, graph);
    if (captured.ok()) graphs_.emplace(kind, std::move(owned));
  }
  RETURN_IF_ERROR(captured);
  return ToStatus(ended, "capturing a decode step");
}

}  // namespace sextant
