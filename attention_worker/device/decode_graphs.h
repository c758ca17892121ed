// Plain decode steps as captured graphs, one for each of a few sizes (common/device/graph_rows.h):
// a step of 5 rows is that of 8 with 3 rows that nobody computes.
//
// A graph is captured when its size is first wanted, which takes milliseconds, and kept.
// Threads: the engine thread makes every call.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "attention_worker/device/device_layers.h"
#include "common/device/gpu.h"

namespace sextant {

class DecodeGraphs {
 public:
  // All outlive this. `most` rows: what decode attention takes in one pass.
  DecodeGraphs(DeviceLayers& layers, const GpuStream& stream, std::int64_t most)
      : layers_(layers), stream_(stream), most_(most) {}

  // Puts a plain decode step of `rows` rows on the stream, whose StepInputs are in place; its token
  // ids too, or with `sampled_ids` they are those that the sampler has left. `graph_rows`: those of
  // the graph, if they matter to others, else 0. Errors: InvalidArgument for more than `most`.
  [[nodiscard]] absl::Status Launch(std::int64_t rows, bool sampled_ids, std::int64_t graph_rows);

  // Forgets all graphs.
  void Drop() { graphs_.clear(); }

 private:
  using Kind = std::pair<std::int64_t, bool>;  // rows, sampled_ids

  [[nodiscard]] absl::Status Capture(const Kind& kind);

  DeviceLayers& layers_;
  const GpuStream& stream_;
  std::int64_t most_;
  std::map<Kind, GpuGraph> graphs_;
};

}  // namespace sextant
