#include "kernels/linear/task_plan.h"

#include <algorithm>

namespace sextant {
namespace {

// Packed rows that stay in a core's L2 cache while panels pass by: well below its 512 KiB or more,
// because pages of 4 KiB fall unevenly on its sets. Rows of f32 get more, part of which may have to
// come from the L3 cache: half as many rows fit, and every block of rows reads and expands all
// weights again.
constexpr std::int64_t kBlockBytes = 320 << 10;
constexpr std::int64_t kF32BlockBytes = 480 << 10;
// About forty microseconds: short against a layer, and long against the start of a task, whose
// first weights may not have been fetched: where it goes on is known for certain, who takes the
// next task is a guess.
constexpr double kTaskCycles = 160e3;
// What a core reads from memory per cycle when all do.
constexpr double kBytesPerCycle = 4.5;
constexpr std::int64_t kTasksPerThread = 4;

std::int64_t CeilDiv(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

}  // namespace

TaskPlan PlanTasks(const PanelShape& shape, const ProductSize& size, int threads) {
  const std::int64_t block_bytes = shape.value_bytes == 4 ? kF32BlockBytes : kBlockBytes;
  const std::int64_t most_rows =
      std::max<std::int64_t>(block_bytes / (size.cols * shape.value_bytes), shape.tile_rows);
  TaskPlan plan{};
  plan.row_blocks = CeilDiv(size.rows, most_rows);
  plan.block_rows = CeilDiv(CeilDiv(size.rows, plan.row_blocks), shape.tile_rows) * shape.tile_rows;
  plan.row_blocks = CeilDiv(size.rows, plan.block_rows);

  const std::int64_t panels = CeilDiv(size.outputs, shape.panel_rows);
  const double weights = static_cast<double>(shape.panel_rows * size.cols * (size.gated ? 2 : 1));
  const double vectors =
      weights * static_cast<double>(plan.block_rows * shape.value_bytes) / shape.accumulator_bytes;
  const double cycles = std::max(vectors, weights * size.weight_bytes / kBytesPerCycle);
  const auto wanted = static_cast<std::int64_t>(kTaskCycles / cycles);
  const std::int64_t balanced = CeilDiv(panels * plan.row_blocks, kTasksPerThread * threads);
  plan.panels_per_task = std::max<std::int64_t>(std::min({wanted, balanced, panels}), 1);
  plan.tasks_per_block = CeilDiv(panels, plan.panels_per_task);
  return plan;
}

}  // namespace sextant
