#include "kernels/linear/task_plan.h"

#include <gtest/gtest.h>

#include <vector>

#include "kernels/linear/product.h"

namespace sextant {
namespace {

TEST(TaskPlanTest, CoversEveryRowAndOutputOnce) {
  std::vector<PanelShape> shapes;
  for (const auto& kernels : {kPanelAvx2, kPanelAvx512, kPanelAvx512Bf16}) {
    for (int tile = 0; tile < kPanelTiles; ++tile) shapes.push_back(kernels[tile].shape);
  }
  for (const PanelShape& shape : shapes) {
    for (const std::int64_t rows : {1, 3, 4, 5, 48, 127, 129, 513, 2048}) {
      for (const std::int64_t outputs : {1, 6, 7, 64, 1408, 102400}) {
        for (const std::int64_t cols : {1, 512, 2048, 10944}) {
          const TaskPlan plan = PlanTasks(shape, {rows, outputs, cols, 2, false}, 2);
          EXPECT_EQ(plan.block_rows % shape.tile_rows, 0);
          EXPECT_GE(plan.block_rows * plan.row_blocks, rows);
          EXPECT_LT(plan.block_rows * (plan.row_blocks - 1), rows);
          const std::int64_t per_task = plan.panels_per_task * shape.panel_rows;
          EXPECT_GE(per_task * plan.tasks_per_block, outputs);
          EXPECT_LT(per_task * (plan.tasks_per_block - 1), outputs);
        }
      }
    }
  }
}

TEST(TaskPlanTest, LeavesEveryThreadSeveralTasksWhereThereAreEnoughPanels) {
  const PanelShape& shape = kPanelAvx512Bf16[0].shape;
  for (const std::int64_t rows : {1, 32, 512}) {
    for (const int threads : {1, 2, 8}) {
      EXPECT_GE(PlanTasks(shape, {rows, 576, 2048, 2, false}, threads).tasks(), 3 * threads);
    }
  }
}

TEST(TaskPlanTest, FewRowsAreOneTile) {
  const auto tile_rows = [](Backend backend, std::int64_t rows) {
    return PanelKernelsFor(backend, Precision::kBf16, DType::kBf16, rows).shape.tile_rows;
  };
  for (const Backend backend : {Backend::kCpuAvx2, Backend::kCpuAvx512, Backend::kCpuAvx512Bf16}) {
    for (std::int64_t rows = 1; rows <= 6; ++rows) EXPECT_GE(tile_rows(backend, rows), rows);
    EXPECT_EQ(tile_rows(backend, 1), tile_rows(backend, 512));
  }
}

TEST(TaskPlanTest, RowBlocksAreOfEqualSize) {
  const TaskPlan plan = PlanTasks(kPanelAvx512Bf16[0].shape, {130, 3072, 2048, 2, false}, 2);
  ASSERT_EQ(plan.row_blocks, 2);
  EXPECT_EQ(plan.block_rows, 68);
}

}  // namespace
}  // namespace sextant
