// The inner kernels of the matrix products: rows packed into tiles, times one panel of weights.
//
// A panel is a few weight rows. Where there are many rows of x they are adjacent: the first tile
// reads the panel in place and keeps an expanded copy, which the other tiles find in the L1 cache;
// meanwhile the next panel is fetched. Where there is one tile the rows of a panel lie far apart,
// and the next panel has the rows after them: a few long streams, which the processor fetches by
// itself, and better than adjacent rows whose lines fall on the same sets of its caches. One vector
// of partial sums per output runs over K in ascending steps, and one fixed tree adds its lanes: the
// order of a row's arithmetic knows nothing of the rows beside it.
//
// Threads:   the kernels are pure functions of their arguments; each caller has its own workspace.
// Ownership: plain structs only, because files compiled for one instruction set include this.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sextant {

// What the packed values of a kernel look like, and the shape of its register tile.
struct PanelShape {
  int least_rows;         // of x, altogether
  int tile_rows;          // rows of x per tile
  int panel_rows;         // weight rows per panel
  int step;               // K is padded with zeros to a multiple of this
  int value_bytes;        // of a packed value
  int accumulator_bytes;  // of one output's partial sums
  // K is multiplied in blocks of so many values (a multiple of step), which keep a panel in the L1
  // cache; the partial sums wait in the workspace in between, bit for bit.
  int block_values;
};

// Sums that a tile keeps, in floats: they fill whole vectors, of 16 at most.
constexpr std::int64_t KeptPerTile(const PanelShape& shape) {
  return (shape.tile_rows * shape.panel_rows + 15) / 16 * 16;
}

// `shape` for so many rows of x alone, which are one tile.
constexpr PanelShape TallShape(PanelShape shape, int least_rows, int tile_rows, int panel_rows) {
  shape.least_rows = least_rows;
  shape.tile_rows = tile_rows;
  shape.panel_rows = panel_rows;
  return shape;
}

enum class PanelFinish : std::uint8_t {
  kStore,  // y[row, n] = sum
  kKeep,   // the workspace keeps the sums: gate values
  kGate,   // packed[row, n] = silu(kept sum) * sum
};

// A place inside packed rows: the tiles of the same rows that a job reads.
struct PackedTarget {
  void* data;
  std::int64_t cols;  // of the packed rows
  std::int64_t col;   // of the panel's first weight row
  int value_bytes;
};

// Room that one thread keeps from panel to panel; PanelWorkspaceBytes says how much.
struct PanelWorkspace {
  void* panel;    // the expanded panel, one block of K
  void* partial;  // partial sums between blocks of K
  float* kept;    // sums of kKeep: KeptPerTile floats per tile and panel
};

struct PanelJob {
  const void* rows;          // packed, from the first row of a tile on
  std::int64_t row_count;    // >= 1
  std::int64_t cols;         // K >= 1
  const char* weights;       // the panel's first row
  std::int64_t weight_rows;  // 1 .. panel_rows
  std::int64_t row_stride;   // weight rows, and outputs, from one row of the panel to the next
  std::int64_t panels;   // so many: each begins one weight row, and output, after the one before
  bool weights_are_f32;  // else bf16
  bool round;            // round every result to bf16
  PanelFinish finish;
  float* y;  // kStore: row 0 at the panel's first column
  std::int64_t y_stride;
  PackedTarget gated;  // kGate
  const char* next;    // memory to fetch meanwhile: the next panel; null: nothing
  std::int64_t next_bytes;
  PanelWorkspace workspace;
};

struct PanelKernels {
  PanelShape shape;
  // Packs 1 .. tile_rows rows of `cols` values as one tile.
  void (*pack_tile)(const float* const* rows, int count, std::int64_t cols, void* tile);
  void (*run)(const PanelJob& job);
};

// The first takes any number of rows of x. The others have tiles of more rows and panels of fewer,
// for so many rows that they are one tile, and read the weights as streams. All give a row the same
// bits.
inline constexpr int kPanelTiles = 3;
extern const PanelKernels kPanelAvx2[kPanelTiles];
extern const PanelKernels kPanelAvx512[kPanelTiles];
extern const PanelKernels kPanelAvx512Bf16[kPanelTiles];

}  // namespace sextant
