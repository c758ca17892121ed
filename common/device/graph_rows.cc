#include "common/device/graph_rows.h"

#include <algorithm>

#include "common/base/check.h"

namespace sextant {

std::int64_t GraphRows(std::int64_t rows, std::int64_t most) {
  CHECK_GE(rows, 1);
  CHECK_LE(rows, most);
  const auto rounded = [rows](std::int64_t step) { return (rows + step - 1) / step * step; };
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

}  // namespace sextant
