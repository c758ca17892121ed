#include "cli/plan/rates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace sextant::cli {
namespace {

using ::testing::HasSubstr;

TEST(ParseBytesPerSecond, ReadsSizesASecond) {
  EXPECT_EQ(ParseBytesPerSecond("3.35TB/s").value(), 3.35e12);
  EXPECT_EQ(ParseBytesPerSecond(" 450 GB/s ").value(), 450e9);
  EXPECT_EQ(ParseBytesPerSecond("2GiB/s").value(), 2.0 * (1 << 30));
}

TEST(ParseBytesPerSecond, RefusesWhatCouldBeMeantOtherwise) {
  for (const char* text : {"400Gb/s", "3.35TB", "0GB/s", "-1GB/s", "fast", "", "/s", "450"}) {
    const auto rate = ParseBytesPerSecond(text);
    ASSERT_FALSE(rate.ok()) << text;
    EXPECT_THAT(std::string(rate.status().message()), HasSubstr("bytes, not bits")) << text;
  }
}

TEST(ParseFlopsPerSecond, ReadsBothSpellings) {
  EXPECT_EQ(ParseFlopsPerSecond("989TFLOPS").value(), 989e12);
  EXPECT_EQ(ParseFlopsPerSecond("465 GFLOP/s").value(), 465e9);
  EXPECT_EQ(ParseFlopsPerSecond("1.5pflops").value(), 1.5e15);
}

TEST(ParseFlopsPerSecond, RefusesTheRest) {
  for (const char* text : {"989", "989T", "0TFLOPS", "-1TFLOPS", "TFLOPS", "", "1e9TFLOPS"}) {
    EXPECT_FALSE(ParseFlopsPerSecond(text).ok()) << text;
  }
}

}  // namespace
}  // namespace sextant::cli
