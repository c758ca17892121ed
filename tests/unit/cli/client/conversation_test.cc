#include "cli/client/conversation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/fake_inference.h"

namespace sextant::cli {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Said(const v1::ChatRequest& request) {
  std::vector<std::string> said;
  for (const v1::ChatMessage& message : request.messages()) {
    said.push_back(message.role() + ": " + message.content());
  }
  return said;
}

class ConversationTest : public ::testing::Test {
 protected:
  absl::StatusOr<Conversation::End> Ask(
      Conversation& conversation, const std::string& question,
      const std::function<bool()>& cancelled = [] { return false; }) {
    printed_.clear();
    return conversation.Ask(
        question, [this](absl::string_view text) { printed_ += std::string(text); }, cancelled);
  }

  FakeInference server_;
  InferenceClient client_{server_.target()};
  std::string printed_;
};

TEST_F(ConversationTest, AnswersArePrintedAndRemembered) {
  Conversation conversation(client_, {.system = "Be brief."});
  const auto end = Ask(conversation, "What is it?");
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(printed_, "a small bird");
  EXPECT_EQ(end->seed, 42U);
  EXPECT_EQ(end->reason, v1::FINISH_REASON_STOP);
  EXPECT_EQ(end->usage.completion_tokens(), 3);
  ASSERT_TRUE(Ask(conversation, "Sure?").ok());
  EXPECT_THAT(Said(server_.chats().at(1)), ElementsAre("system: Be brief.", "user: What is it?",
                                                       "assistant: a small bird", "user: Sure?"));
  conversation.Forget();
  ASSERT_TRUE(Ask(conversation, "Who?").ok());
  EXPECT_THAT(Said(server_.chats().at(2)), ElementsAre("system: Be brief.", "user: Who?"));
}

TEST_F(ConversationTest, ACancelledAnswerEndsAndWhatThereIsOfItStays) {
  server_.answer.assign(1000, "word ");
  server_.pause = absl::Milliseconds(20);
  Conversation conversation(client_, {});
  const auto end = Ask(conversation, "Tell me all.", [this] { return printed_.size() >= 10; });
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_TRUE(end->cancelled);
  EXPECT_LT(printed_.size(), 1000U);
  server_.answer = {"ok"};
  server_.pause = absl::ZeroDuration();
  const std::string part = printed_;
  ASSERT_TRUE(Ask(conversation, "Short?").ok());
  EXPECT_THAT(Said(server_.chats().at(1)),
              ElementsAre("user: Tell me all.", "assistant: " + part, "user: Short?"));
}

TEST_F(ConversationTest, AQuestionThatFailedIsForgotten) {
  server_.most_calls = 0;
  Conversation conversation(client_, {});
  EXPECT_EQ(Ask(conversation, "One?").status().code(), absl::StatusCode::kResourceExhausted);
  server_.most_calls = 1;
  ASSERT_TRUE(Ask(conversation, "Two?").ok());
  EXPECT_THAT(Said(server_.chats().back()), ElementsAre("user: Two?"));
}

TEST_F(ConversationTest, ATimeoutIsAnError) {
  server_.pause = absl::Milliseconds(100);
  Conversation conversation(client_, {.timeout = absl::Milliseconds(50)});
  EXPECT_EQ(Ask(conversation, "One?").status().code(), absl::StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace sextant::cli
