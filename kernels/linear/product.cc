#include "kernels/linear/product.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "common/base/check.h"
#include "kernels/linear/task_plan.h"

namespace sextant {
namespace {

constexpr std::int64_t CeilDiv(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

std::int64_t PaddedCols(const PackedRows& packed) {
  const int step = packed.kernels->shape.step;
  return CeilDiv(packed.cols, step) * step;
}

// Address of the tile that starts at `row`.
char* TileAt(const PackedRows& packed, std::int64_t row) {
  return static_cast<char*>(packed.data) +
         row * PaddedCols(packed) * packed.kernels->shape.value_bytes;
}

const char* WeightRow(const WeightView& weight, std::int64_t row) {
  return static_cast<const char*>(weight.data) + row * weight.cols * BytesOf(weight.dtype);
}

// A product, how it is cut, and where its tasks begin among all tasks of the call.
struct Planned {
  const Product* product;
  TaskPlan plan;
  std::int64_t first_task;
};
using PlannedProducts = absl::InlinedVector<Planned, 8>;

// The panels [first, last) of a product for one block of rows.
struct Task {
  const Product* product;
  std::int64_t first_row;
  std::int64_t row_count;
  std::int64_t first_output;
  std::int64_t last_output;
};

Task TaskAt(const PlannedProducts& products, std::int64_t number) {
  const auto after = std::upper_bound(
      products.begin(), products.end(), number,
      [](std::int64_t task, const Planned& planned) { return task < planned.first_task; });
  const Planned& planned = *(after - 1);
  const TaskPlan& plan = planned.plan;
  const Product& product = *planned.product;
  const std::int64_t block = (number - planned.first_task) / plan.tasks_per_block;
  const std::int64_t chunk = (number - planned.first_task) % plan.tasks_per_block;
  const std::int64_t outputs_per_task = plan.panels_per_task * product.x.kernels->shape.panel_rows;
  Task task{};
  task.product = &product;
  task.first_row = block * plan.block_rows;
  task.row_count = std::min(plan.block_rows, product.x.rows - task.first_row);
  task.first_output = chunk * outputs_per_task;
  task.last_output = std::min(task.first_output + outputs_per_task, product.weight.rows);
  return task;
}

// The first panel that a task reads: worth fetching before it starts.
struct Memory {
  const char* data = nullptr;
  std::int64_t bytes = 0;
};

Memory PanelMemory(const WeightView& weight, std::int64_t first, std::int64_t last,
                   std::int64_t panel_rows) {
  const std::int64_t count = std::min(panel_rows, last - first);
  return {WeightRow(weight, first), count * weight.cols * BytesOf(weight.dtype)};
}

// What all jobs of a task have in common.
PanelJob JobOf(const Task& task, const PanelWorkspace& workspace) {
  const Product& product = *task.product;
  PanelJob job{};
  job.rows = TileAt(product.x, task.first_row);
  job.row_count = task.row_count;
  job.cols = product.weight.cols;
  job.weights_are_f32 = product.weight.dtype == DType::kFp32;
  job.round = product.precision == Precision::kBf16;
  job.y_stride = product.y.stride;
  job.workspace = workspace;
  return job;
}

// Results of the outputs from `output` on.
void SetTarget(const Task& task, std::int64_t output, PanelJob& job) {
  const Product& product = *task.product;
  if (product.up.data == nullptr) {
    job.y = product.y.Row(task.first_row) + output;
  } else {
    job.gated = {TileAt(product.gated, task.first_row), product.gated.cols, output,
                 product.gated.kernels->shape.value_bytes};
  }
}

// Panels of adjacent rows, one after another.
void RunPanels(const Task& task, Memory next_task, const PanelWorkspace& workspace) {
  const Product& product = *task.product;
  const WeightView& weight = product.weight;
  const std::int64_t panel_rows = product.x.kernels->shape.panel_rows;
  PanelJob job = JobOf(task, workspace);
  job.row_stride = 1;
  job.panels = 1;
  const auto run = [&](const WeightView& of, std::int64_t output, PanelFinish finish, Memory next) {
    job.weights = WeightRow(of, output);
    job.weight_rows = std::min(panel_rows, task.last_output - output);
    job.finish = finish;
    job.next = next.data;
    job.next_bytes = next.bytes;
    product.x.kernels->run(job);
  };
  for (std::int64_t output = task.first_output; output < task.last_output; output += panel_rows) {
    const std::int64_t after = output + panel_rows;
    const Memory next = after < task.last_output
                            ? PanelMemory(weight, after, task.last_output, panel_rows)
                            : next_task;
    SetTarget(task, output, job);
    if (product.up.data != nullptr) {
      run(weight, output, PanelFinish::kKeep,
          PanelMemory(product.up, output, task.last_output, panel_rows));
      run(product.up, output, PanelFinish::kGate, next);
    } else {
      run(weight, output, PanelFinish::kStore, next);
    }
  }
}

// One tile of rows: panel i has row i of each of panel_rows equal parts of the task's outputs; the
// last part may be shorter, and its last panels then have a row less.
void RunStreams(const Task& task, const PanelWorkspace& workspace) {
  const Product& product = *task.product;
  const PanelShape& shape = product.x.kernels->shape;
  const std::int64_t outputs = task.last_output - task.first_output;
  PanelJob job = JobOf(task, workspace);
  job.row_stride = CeilDiv(outputs, shape.panel_rows);
  const auto run = [&](const WeightView& of, PanelFinish finish) {
    job.finish = finish;
    for (std::int64_t first = 0; first < job.row_stride; first += job.panels) {
      job.weight_rows = CeilDiv(outputs - first, job.row_stride);
      const std::int64_t last_part = outputs - (job.weight_rows - 1) * job.row_stride;
      job.panels = std::min(last_part, job.row_stride) - first;
      job.weights = WeightRow(of, task.first_output + first);
      if (finish != PanelFinish::kStore) {
        job.workspace.kept = workspace.kept + first * KeptPerTile(shape);
      }
      SetTarget(task, task.first_output + first, job);
      product.x.kernels->run(job);
    }
  };
  if (product.up.data != nullptr) {
    run(product.weight, PanelFinish::kKeep);
    run(product.up, PanelFinish::kGate);
  } else {
    run(product.weight, PanelFinish::kStore);
  }
}

void ClearOutput(const Product& product) {
  if (product.up.data != nullptr) {
    std::memset(product.gated.data, 0,
                static_cast<std::size_t>(product.gated.rows * PaddedCols(product.gated) *
                                         product.gated.kernels->shape.value_bytes));
    return;
  }
  for (std::int64_t row = 0; row < product.y.rows; ++row) {
    std::fill_n(product.y.Row(row), product.y.cols, 0.0F);
  }
}

// One workspace per thread, large enough for every product.
std::vector<PanelWorkspace> MakeWorkspaces(ScratchScope& scope, const PlannedProducts& products,
                                           int threads) {
  std::int64_t panel_bytes = 0;
  std::int64_t partial_bytes = 0;
  std::int64_t kept = 0;
  for (const auto& [product, plan, first_task] : products) {
    const PanelShape& shape = product->x.kernels->shape;
    const std::int64_t block_cols =
        std::min<std::int64_t>(PaddedCols(product->x), shape.block_values);
    panel_bytes = std::max(panel_bytes, shape.panel_rows * block_cols * shape.value_bytes);
    if (product->x.cols > shape.block_values || product->x.cols % shape.step != 0) {
      partial_bytes =
          std::max(partial_bytes, plan.block_rows * shape.panel_rows * shape.accumulator_bytes);
    }
    const std::int64_t tiles = plan.block_rows / shape.tile_rows;
    kept = std::max(kept, std::max(tiles, plan.panels_per_task) * KeptPerTile(shape));
  }
  std::vector<PanelWorkspace> workspaces(static_cast<std::size_t>(threads));
  for (PanelWorkspace& workspace : workspaces) {
    workspace.panel = scope.Allocate<char>(panel_bytes);
    workspace.partial = scope.Allocate<char>(partial_bytes);
    workspace.kept = scope.Allocate<float>(kept);
  }
  return workspaces;
}

}  // namespace

const PanelKernels& PanelKernelsFor(Backend backend, Precision precision, DType weight,
                                    std::int64_t rows) {
  CHECK(backend != Backend::kReference);
  const bool dot =
      backend == Backend::kCpuAvx512Bf16 && precision == Precision::kBf16 && weight == DType::kBf16;
  const auto& tiles = backend == Backend::kCpuAvx2 ? kPanelAvx2
                      : dot                        ? kPanelAvx512Bf16
                                                   : kPanelAvx512;
  const auto* one_tile = std::find_if(std::begin(tiles), std::end(tiles), [rows](const auto& of) {
    return rows >= of.shape.least_rows && rows <= of.shape.tile_rows;
  });
  return one_tile == std::end(tiles) ? tiles[0] : *one_tile;
}

PackedRows AllocatePacked(ScratchScope& scope, const PanelKernels& kernels, std::int64_t rows,
                          std::int64_t cols) {
  PackedRows packed{&kernels, nullptr, rows, cols};
  const std::int64_t padded = PaddedCols(packed);
  const PanelShape& shape = kernels.shape;
  packed.data = scope.Allocate<char>(rows * padded * shape.value_bytes);
  if (padded == cols) return packed;
  for (std::int64_t row = 0; row < rows; row += shape.tile_rows) {
    const std::int64_t tile_rows = std::min<std::int64_t>(shape.tile_rows, rows - row);
    const std::int64_t step_bytes = tile_rows * shape.step * shape.value_bytes;
    std::memset(TileAt(packed, row) + (padded / shape.step - 1) * step_bytes, 0,
                static_cast<std::size_t>(step_bytes));
  }
  return packed;
}

void PackRows(Stream& stream, absl::Span<const PackArgs> packs) {
  // Packing less than this is over before another thread has woken.
  constexpr std::int64_t kAloneValues = 32 << 10;
  constexpr std::int64_t kTilesPerTask = 4;
  const auto pack_tiles = [](const PackArgs& pack, std::int64_t first, std::int64_t count) {
    const PanelKernels& kernels = *pack.to.kernels;
    const std::int64_t last = std::min(pack.to.rows, first + count * kernels.shape.tile_rows);
    for (std::int64_t row = first; row < last; row += kernels.shape.tile_rows) {
      constexpr int kMostRows = 8;
      CHECK_LE(kernels.shape.tile_rows, kMostRows);
      const float* rows[kMostRows] = {};
      const auto in_tile =
          static_cast<int>(std::min<std::int64_t>(kernels.shape.tile_rows, last - row));
      for (int r = 0; r < in_tile; ++r) {
        rows[r] = pack.x.Row(pack.rows == nullptr ? row + r : pack.rows[row + r]);
      }
      kernels.pack_tile(rows, in_tile, pack.to.cols, TileAt(pack.to, row));
    }
  };
  std::int64_t values = 0;
  for (const PackArgs& pack : packs) values += pack.to.rows * pack.to.cols;
  if (values <= kAloneValues) {
    for (const PackArgs& pack : packs) pack_tiles(pack, 0, pack.to.rows);
    return;
  }
  std::vector<std::pair<const PackArgs*, std::int64_t>> tasks;
  for (const PackArgs& pack : packs) {
    const std::int64_t rows_per_task = kTilesPerTask * pack.to.kernels->shape.tile_rows;
    for (std::int64_t row = 0; row < pack.to.rows; row += rows_per_task) {
      tasks.emplace_back(&pack, row);
    }
  }
  stream.pool().ParallelFor(static_cast<std::int64_t>(tasks.size()), [&](std::int64_t task, int) {
    const auto& [pack, row] = tasks[static_cast<std::size_t>(task)];
    pack_tiles(*pack, row, kTilesPerTask);
  });
}

void RunProducts(Stream& stream, absl::Span<const Product> products) {
  const int threads = stream.pool().num_threads();
  PlannedProducts planned;
  std::int64_t tasks = 0;
  for (const Product& product : products) {
    if (product.x.rows == 0 || product.weight.rows == 0) continue;
    if (product.x.cols == 0) {
      ClearOutput(product);
      continue;
    }
    const ProductSize size = {product.x.rows, product.weight.rows, product.x.cols,
                              static_cast<int>(BytesOf(product.weight.dtype)),
                              product.up.data != nullptr};
    const TaskPlan plan = PlanTasks(product.x.kernels->shape, size, threads);
    planned.push_back({&product, plan, tasks});
    tasks += plan.tasks();
  }
  ScratchScope scope(stream.scratch());
  const std::vector<PanelWorkspace> workspaces = MakeWorkspaces(scope, planned, threads);
  stream.pool().ParallelFor(tasks, [&](std::int64_t number, int worker) {
    const Task task = TaskAt(planned, number);
    const PanelWorkspace& workspace = workspaces[static_cast<std::size_t>(worker)];
    if (task.row_count <= task.product->x.kernels->shape.tile_rows) {
      return RunStreams(task, workspace);
    }
    Memory next;
    // Threads take turns, so this one's next task is most likely as many tasks away.
    if (number + threads < tasks) {
      const Task likely = TaskAt(planned, number + threads);
      next = PanelMemory(likely.product->weight, likely.first_output, likely.last_output,
                         likely.product->x.kernels->shape.panel_rows);
    }
    RunPanels(task, next, workspace);
  });
}

}  // namespace sextant
