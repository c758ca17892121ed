#include "common/observability/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/message_of.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FixedClock final : public Clock {
 public:
  absl::Time Now() const override {
    return absl::UnixEpoch() + absl::Seconds(1) + absl::Milliseconds(20);
  }
};

class LogTest : public ::testing::Test {
 protected:
  Logger MakeLogger(LogLevel least = LogLevel::kInfo) {
    return Logger(
        "router", least, [this](absl::string_view line) { lines_.emplace_back(line); }, &clock_);
  }

  FixedClock clock_;
  std::vector<std::string> lines_;
};

TEST_F(LogTest, OneLineWithTimeLevelComponentTextAndFields) {
  MakeLogger().Info("request ended",
                    {{"request_id", "r-17"}, {"tokens", 64}, {"ok", true}, {"share", 0.5}});
  EXPECT_THAT(lines_, ElementsAre("1970-01-01T00:00:01.020Z INFO router: request ended "
                                  "request_id=r-17 tokens=64 ok=true share=0.5\n"));
}

TEST_F(LogTest, FieldsOfALoggerComeFirst) {
  const Logger log = MakeLogger().With({"request_id", "r-1"}).With({"worker", "a"});
  log.Warning("slow", {{"seconds", absl::Milliseconds(1500)}});
  EXPECT_THAT(lines_,
              ElementsAre(EndsWith("WARNING router: slow request_id=r-1 worker=a seconds=1.5\n")));
}

TEST_F(LogTest, EventsBelowTheLevelAreDropped) {
  const Logger log = MakeLogger(LogLevel::kWarning);
  log.Debug("a");
  log.Info("b");
  EXPECT_THAT(lines_, IsEmpty());
  log.Error("c");
  EXPECT_THAT(lines_, ElementsAre(EndsWith("ERROR router: c\n")));
}

TEST_F(LogTest, AValueCannotBecomeAnotherFieldOrLine) {
  MakeLogger().Info("a\nb", {{"id", "x y=1\n\"INFO"}, {"empty", ""}, {"text", "h\xc3\xa9"}});
  EXPECT_THAT(lines_, ElementsAre(EndsWith(R"(router: a\nb id="x y=1\n\"INFO" empty="" text=h)"
                                           "\xc3\xa9\n")));
}

TEST_F(LogTest, ALongLineIsCutBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "\xc3\xa9";
  MakeLogger().Info("long", {{"text", text}});
  ASSERT_EQ(lines_.size(), 1U);
  EXPECT_LE(lines_[0].size(), 4096U);
  EXPECT_GE(lines_[0].size(), 4094U);
  EXPECT_THAT(lines_[0], EndsWith("\xc3\xa9...\n"));
}

TEST(ParseLogLevelTest, KnowsFourWords) {
  EXPECT_EQ(ParseLogLevel("debug").value(), LogLevel::kDebug);
  EXPECT_EQ(ParseLogLevel("error").value(), LogLevel::kError);
  EXPECT_THAT(MessageOf(ParseLogLevel("loud")), HasSubstr("debug, info, warning or error"));
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}) {
    EXPECT_EQ(ParseLogLevel(LogLevelWord(level)).value(), level);
  }
}

}  // namespace
}  // namespace sextant
