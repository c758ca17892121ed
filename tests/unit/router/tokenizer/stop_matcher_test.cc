#include "router/tokenizer/stop_matcher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace sextant {
namespace {

struct Result {
  std::string text;
  bool stopped = false;
  bool operator==(const Result&) const = default;
};

Result Feed(StopMatcher matcher, const std::vector<std::string>& parts) {
  Result result;
  for (const std::string& part : parts) {
    result.stopped = matcher.Push(part, result.text);
    if (result.stopped) return result;
  }
  matcher.Flush(result.text);
  return result;
}

// The definition, word for word.
Result Naive(const std::string& text, const std::vector<std::string>& stops) {
  for (std::size_t end = 1; end <= text.size(); ++end) {
    std::size_t longest = 0;
    for (const std::string& stop : stops) {
      if (stop.size() <= end && text.compare(end - stop.size(), stop.size(), stop) == 0) {
        longest = std::max(longest, stop.size());
      }
    }
    if (longest > 0) return {text.substr(0, end - longest), true};
  }
  return {text, false};
}

TEST(StopMatcherTest, AgreesWithTheDefinitionHoweverTheTextIsCut) {
  std::mt19937 random(7);
  const auto word = [&](std::size_t most) {
    std::string text(random() % (most + 1), 'a');
    for (char& c : text) c = static_cast<char>('a' + random() % 2);
    return text;
  };
  int stopped = 0;
  for (int round = 0; round < 3000; ++round) {
    const std::vector<std::string> stops = {word(6), word(6), word(4)};
    const std::string text = word(16);
    std::vector<std::string> parts;
    for (std::size_t at = 0; at < text.size();) {
      parts.push_back(text.substr(at, 1 + random() % 4));
      at += parts.back().size();
    }
    const Result wanted = Naive(text, stops);
    ASSERT_EQ(Feed(StopMatcher(stops), parts), wanted) << text;
    stopped += wanted.stopped ? 1 : 0;
  }
  EXPECT_GT(stopped, 500);
  EXPECT_LT(stopped, 2900);
}

TEST(StopMatcherTest, HoldsBackOnlyWhatMayBecomeAStopString) {
  StopMatcher matcher({"\n\nUser:", "END"});
  std::string out;
  EXPECT_FALSE(matcher.Push("hello\n", out));
  EXPECT_EQ(out, "hello");
  EXPECT_FALSE(matcher.Push("\nUse", out));
  EXPECT_EQ(out, "hello");
  EXPECT_FALSE(matcher.Push("E", out));  // no longer the first, maybe the second
  EXPECT_EQ(out, "hello\n\nUse");
  EXPECT_TRUE(matcher.Push("ND more", out));
  EXPECT_EQ(out, "hello\n\nUse");
}

TEST(StopMatcherTest, WithoutStopStringsPassesEverything) {
  EXPECT_EQ(Feed(StopMatcher({}), {"a", "", "b\xFF"}), (Result{"ab\xFF", false}));
  EXPECT_EQ(Feed(StopMatcher({""}), {"ab"}), (Result{"ab", false}));
}

}  // namespace
}  // namespace sextant
