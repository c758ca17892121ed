#include "common/device/scratch.h"

#include <gtest/gtest.h>

namespace sextant {
namespace {

TEST(ScratchTest, ScopesGiveBackAndBlocksAreReused) {
  Scratch scratch;
  float* first = nullptr;
  {
    ScratchScope scope(scratch);
    first = scope.Allocate<float>(1000);
  }
  const std::size_t held = scratch.bytes_held();
  for (int round = 0; round < 10; ++round) {
    ScratchScope scope(scratch);
    EXPECT_EQ(scope.Allocate<float>(1000), first);
    ScratchScope inner(scratch);
    EXPECT_NE(inner.Allocate<float>(1), first);
  }
  EXPECT_EQ(scratch.bytes_held(), held);
}

TEST(ScratchTest, EarlierAllocationsStayValidWhenItGrows) {
  Scratch scratch;
  ScratchScope scope(scratch);
  int* small = scope.Allocate<int>(1);
  *small = 42;
  char* large = scope.Allocate<char>(std::int64_t{8} << 20);
  large[(8 << 20) - 1] = 1;
  EXPECT_EQ(*small, 42);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(large) % 64, 0U);
}

}  // namespace
}  // namespace sextant
