#include "attention_worker/device/decode_graphs.h"

#include <algorithm>

#include "common/base/check.h"
#include "common/base/status.h"
#include "kernels/cuda/launch.h"

namespace sextant {

std::int64_t GraphRows(std::int64_t rows, std::int64_t most) {
  CHECK_GE(rows, 1);
  CHECK_LE(rows, most);
  const auto rounded = [rows](std::int64_t step) { return DivideUp(rows, step) * step; };
  std::int64_t size = rounded(64);
  if (rows <= 2) {
    size = rows;
  } else if (rows <= 4) {
    size = 4;
  } else if (rows <= 64) {
    size = rounded(8);
  } else if (rows <= 128) {
    size = rounded(16);
  } else if (rows <= 256) {
    size = rounded(32);
  }
  return std::min(size, most);
}

void DecodeGraphs::Use(std::uint64_t generation) {
  if (generation != generation_) graphs_.clear();
  generation_ = generation;
}

absl::Status DecodeGraphs::Launch(std::int64_t rows, bool sampled_ids, std::int64_t graph_rows) {
  CHECK_LE(graph_rows, most_);
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
