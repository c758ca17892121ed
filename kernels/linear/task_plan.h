// How one product is cut into tasks for the threads. The cut never changes a result.
#pragma once

#include <cstdint>

#include "kernels/linear/panel.h"

namespace sextant {

struct ProductSize {
  std::int64_t rows;     // of x
  std::int64_t outputs;  // N
  std::int64_t cols;     // K
  int weight_bytes;      // of a weight value
  bool gated;            // two weight matrices
};

// A task is some adjacent panels for one block of rows; tasks of the same rows come together.
struct TaskPlan {
  std::int64_t block_rows;  // a multiple of the tile's rows
  std::int64_t row_blocks;
  std::int64_t panels_per_task;
  std::int64_t tasks_per_block;

  [[nodiscard]] std::int64_t tasks() const { return row_blocks * tasks_per_block; }
};

[[nodiscard]] TaskPlan PlanTasks(const PanelShape& shape, const ProductSize& size, int threads);

}  // namespace sextant
