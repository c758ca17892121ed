#include "common/base/watched_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/temp_dir.h"

namespace sextant {
namespace {

class WatchedFileTest : public ::testing::Test {
 protected:
  // The text or error that a reader learns of within two polls; empty when of nothing new.
  static std::string Change(WatchedFile& file) {
    for (int i = 0; i < 2; ++i) {
      if (const auto change = file.Poll()) {
        return change->ok() ? **change : std::string(change->status().message());
      }
    }
    return "";
  }

  const TempDir dir_;
};

TEST_F(WatchedFileTest, TellsWhatIsNewOnce) {
  WatchedFile file(dir_.Write("a", "one"), "one", 100);
  EXPECT_EQ(Change(file), "");
  dir_.Write("a", "two");
  EXPECT_EQ(Change(file), "two");
  EXPECT_EQ(Change(file), "");
  dir_.Write("a", "one");
  EXPECT_EQ(Change(file), "one");
}

TEST_F(WatchedFileTest, AChangeCountsWhenItHasSettled) {
  WatchedFile file(dir_.Write("a", "one"), "one", 100);
  dir_.Write("a", "tw");
  EXPECT_FALSE(file.Poll().has_value());
  dir_.Write("a", "two");
  EXPECT_FALSE(file.Poll().has_value());
  const auto change = file.Poll();
  ASSERT_TRUE(change.has_value());
  EXPECT_EQ(change->value(), "two");
}

TEST_F(WatchedFileTest, FollowsALinkThatIsSwapped) {
  // As a mounted ConfigMap changes: the file is a link through a link to a folder.
  namespace fs = std::filesystem;
  for (const char* version : {"1", "2"}) {
    fs::create_directory(dir_.File(version));
    dir_.Write(std::string(version) + "/a", version);
  }
  fs::create_symlink("1", dir_.File("data"));
  fs::create_symlink("data/a", dir_.File("a"));
  WatchedFile file(dir_.File("a"), "1", 100);
  EXPECT_EQ(Change(file), "");
  fs::create_symlink("2", dir_.File("new"));
  fs::rename(dir_.File("new"), dir_.File("data"));
  EXPECT_EQ(Change(file), "2");
}

TEST_F(WatchedFileTest, AnErrorIsToldOnceAndSoIsItsEnd) {
  WatchedFile file(dir_.Write("a", "one"), "one", 4);
  std::filesystem::remove(dir_.File("a"));
  EXPECT_THAT(Change(file), ::testing::HasSubstr("/a"));
  EXPECT_EQ(Change(file), "");
  dir_.Write("a", "too long");
  EXPECT_THAT(Change(file), ::testing::HasSubstr("/a"));
  dir_.Write("a", "one");
  EXPECT_EQ(Change(file), "one");
}

}  // namespace
}  // namespace sextant
