#include "common/device/graph_rows.h"

#include <gtest/gtest.h>

namespace sextant {
namespace {

TEST(GraphRowsTest, AreFewSizesThatFit) {
  EXPECT_EQ(GraphRows(1, 256), 1);
  EXPECT_EQ(GraphRows(2, 256), 2);
  EXPECT_EQ(GraphRows(3, 256), 4);
  EXPECT_EQ(GraphRows(5, 256), 8);
  EXPECT_EQ(GraphRows(33, 256), 40);
  EXPECT_EQ(GraphRows(65, 256), 80);
  EXPECT_EQ(GraphRows(130, 256), 160);
  EXPECT_EQ(GraphRows(257, 512), 320);
  EXPECT_EQ(GraphRows(5, 6), 6);  // never more than the caller takes
  std::int64_t before = 0;
  int sizes = 0;
  for (std::int64_t rows = 1; rows <= 256; ++rows) {
    const std::int64_t size = GraphRows(rows, 256);
    EXPECT_GE(size, rows);
    EXPECT_GE(size, before);
    sizes += size != before ? 1 : 0;
    before = size;
  }
  EXPECT_LE(sizes, 20);
}

}  // namespace
}  // namespace sextant
