#include "common/config/byte_size.h"

#include <gtest/gtest.h>

namespace sextant {
namespace {

TEST(ByteSize, UnitsCountInThousandsOr1024s) {
  const std::pair<const char*, std::int64_t> cases[] = {
      {"0", 0},
      {"4096", 4096},
      {"7B", 7},
      {"1KB", 1000},
      {"1KiB", 1024},
      {" 1.5 GiB ", 1610612736},
      {"5gb", 5'000'000'000},
      {"2TiB", 2199023255552},
      {"0.5MB", 500000},
  };
  for (const auto& [text, bytes] : cases) {
    const auto parsed = ParseByteSize(text);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, bytes) << text;
  }
}

TEST(ByteSize, AnythingElseIsRefused) {
  for (const char* text : {"", "GB", "-1", "1XB", "1 2", "1.2.3MB", "1e3", "0x10", "99999999TB",
                           "five", "5GBB", "5iB"}) {
    EXPECT_FALSE(ParseByteSize(text).ok()) << text;
  }
}

}  // namespace
}  // namespace sextant
