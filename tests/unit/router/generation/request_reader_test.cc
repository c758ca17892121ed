#include "router/generation/request_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "common/errors/error_details.h"
#include "tests/golden/tokenizer/golden_tokenizer.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_dir.h"

namespace sextant::router {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Ids = std::vector<std::int32_t>;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

ModelConfig Model() {
  ModelConfig model;
  model.vocab_size = 1300;
  model.max_position_embeddings = 512;
  model.eos_token_ids = {1201};
  return model;
}

class RequestReaderTest : public ::testing::Test {
 protected:
  RequestReaderTest() {
    generate_.set_text("hello");
    message_ = chat_.add_messages();
    message_->set_role("user");
    message_->set_content("hello");
  }

  absl::StatusOr<PreparedRequest> Read() {
    return reader_.Read(generate_, {.handle = 7, .arrival = absl::UnixEpoch(), .caller = "ipv4:x"});
  }
  // The field that the error names.
  std::string FaultOf(const absl::Status& status) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << MessageOf(status);
    const std::vector<FieldProblem> problems = FieldProblems(status);
    if (problems.size() != 1) return MessageOf(status);
    EXPECT_THAT(MessageOf(status), StartsWith(problems[0].field + ": "));
    return problems[0].field;
  }
  // Of a request that `spoil` has changed.
  template <typename Spoil>
  std::string Fault(const Spoil& spoil) {
    v1::GenerateRequest request = generate_;
    spoil(*request.mutable_params());
    return FaultOf(reader_.Read(request, {}).status());
  }

  std::unique_ptr<const ModelText> text_ = ModelText::Load(GoldenTokenizerDir(), Model()).value();
  RequestReader reader_{
      {.model_id = "demo", .context_length = 512, .vocab_size = 1300, .randomness = 1}, *text_};
  v1::GenerateRequest generate_;
  v1::ChatRequest chat_;
  v1::ChatMessage* message_ = nullptr;
};

TEST_F(RequestReaderTest, WhatARequestLeavesOutIsFilledIn) {
  const PreparedRequest request = Read().value();
  EXPECT_EQ(request.prompt_ids, text_->EncodePrompt("hello").value());
  EXPECT_EQ(request.max_tokens, 512 - static_cast<std::int64_t>(request.prompt_ids.size()));
  EXPECT_EQ(request.num_answers, 1);
  EXPECT_EQ(request.priority, 0);
  EXPECT_EQ(request.client_id, "ipv4:x");
  EXPECT_EQ(request.stop_ids, Ids{1201});
  EXPECT_THAT(request.request_id, StartsWith("r-"));
  EXPECT_EQ(request.call.handle, 7U);
  EXPECT_EQ(request.sampling.temperature, text_->default_sampling().temperature);
  const PreparedRequest other = Read().value();
  EXPECT_NE(other.request_id, request.request_id);
  EXPECT_NE(other.sampling.seed, request.sampling.seed);
}

TEST_F(RequestReaderTest, WhatARequestSetsIsKept) {
  v1::GenerationParams& params = *generate_.mutable_params();
  v1::SamplingParams& sampling = *params.mutable_sampling();
  sampling.set_temperature(0);
  sampling.set_top_k(0);
  sampling.set_top_p(0.5F);
  sampling.set_min_p(0);
  sampling.set_logprobs(0);
  sampling.set_seed(std::numeric_limits<std::uint64_t>::max());
  sampling.add_logit_bias()->set_token_id(3);
  params.set_max_tokens(9);
  params.add_stop("x");
  params.set_ignore_eos(true);
  params.set_n(16);
  params.set_priority(-100);
  params.set_client_id("me");
  generate_.set_request_id("my id");
  generate_.set_model("demo");
  const PreparedRequest request = Read().value();
  EXPECT_EQ(request.sampling.temperature, 0);
  EXPECT_EQ(request.sampling.top_p, 0.5F);
  EXPECT_EQ(request.sampling.logprobs, 0);
  EXPECT_EQ(request.sampling.seed, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(request.sampling.logit_bias.at(0).id, 3);
  EXPECT_EQ(request.max_tokens, 9);
  EXPECT_EQ(request.stop_texts, std::vector<std::string>{"x"});
  EXPECT_TRUE(request.stop_ids.empty());
  EXPECT_EQ(request.num_answers, 16);
  EXPECT_EQ(request.priority, -100);
  EXPECT_EQ(request.client_id, "me");
  EXPECT_EQ(request.request_id, "my id");
}

TEST_F(RequestReaderTest, EverySamplingFieldOutsideItsRangeIsNamed) {
  const auto fault = [this](auto spoil) {
    return Fault([&](v1::GenerationParams& p) { spoil(*p.mutable_sampling()); });
  };
  for (const float bad : {kNaN, kInf, -kInf, -0.001F, 101.0F}) {
    EXPECT_EQ(fault([&](auto& s) { s.set_temperature(bad); }), "params.sampling.temperature");
    EXPECT_EQ(fault([&](auto& s) { s.set_top_p(bad); }), "params.sampling.top_p");
    EXPECT_EQ(fault([&](auto& s) { s.set_min_p(bad); }), "params.sampling.min_p");
    EXPECT_EQ(fault([&](auto& s) { s.set_repetition_penalty(bad); }),
              "params.sampling.repetition_penalty");
  }
  EXPECT_EQ(fault([](auto& s) { s.set_top_p(0); }), "params.sampling.top_p");
  EXPECT_EQ(fault([](auto& s) { s.set_top_k(-1); }), "params.sampling.top_k");
  EXPECT_EQ(fault([](auto& s) { s.set_presence_penalty(2.1F); }),
            "params.sampling.presence_penalty");
  EXPECT_EQ(fault([](auto& s) { s.set_frequency_penalty(kNaN); }),
            "params.sampling.frequency_penalty");
  EXPECT_EQ(fault([](auto& s) { s.set_logprobs(21); }), "params.sampling.logprobs");
  EXPECT_EQ(fault([](auto& s) { s.set_logprobs(std::numeric_limits<std::int32_t>::min()); }),
            "params.sampling.logprobs");
  EXPECT_EQ(fault([](auto& s) {
              s.add_logit_bias()->set_token_id(1);
              s.add_logit_bias()->set_token_id(1300);
            }),
            "params.sampling.logit_bias[1]");
}

TEST_F(RequestReaderTest, EveryOtherParameterOutsideItsRangeIsNamed) {
  constexpr std::int32_t kMin = std::numeric_limits<std::int32_t>::min();
  constexpr std::int32_t kMax = std::numeric_limits<std::int32_t>::max();
  for (const std::int32_t bad : {kMin, -1, 0, 512, kMax}) {
    EXPECT_EQ(Fault([&](auto& p) { p.set_max_tokens(bad); }), "params.max_tokens") << bad;
  }
  for (const std::int32_t bad : {kMin, -1, 0, 17, kMax}) {
    EXPECT_EQ(Fault([&](auto& p) { p.set_n(bad); }), "params.n") << bad;
  }
  for (const std::int32_t bad : {kMin, -101, 101, kMax}) {
    EXPECT_EQ(Fault([&](auto& p) { p.set_priority(bad); }), "params.priority") << bad;
  }
  EXPECT_EQ(Fault([](auto& p) { p.set_client_id(std::string(129, 'c')); }), "params.client_id");
  EXPECT_EQ(Fault([](auto& p) {
              p.add_stop("a");
              p.add_stop("");
            }),
            "params.stop[1]");
  EXPECT_EQ(Fault([](auto& p) { p.add_stop(std::string(257, 's')); }), "params.stop[0]");
  EXPECT_EQ(Fault([](auto& p) {
              for (int i = 0; i < 17; ++i) p.add_stop("a");
            }),
            "params.stop");
}

TEST_F(RequestReaderTest, TheContextIsSharedByPromptAndAnswer) {
  generate_.mutable_token_ids()->mutable_ids()->Resize(500, 1);
  generate_.mutable_params()->set_max_tokens(12);
  EXPECT_EQ(Read()->max_tokens, 12);
  generate_.mutable_params()->set_max_tokens(13);
  EXPECT_EQ(FaultOf(Read().status()), "params.max_tokens");
  generate_.mutable_params()->clear_max_tokens();
  EXPECT_EQ(Read()->max_tokens, 12);
  generate_.mutable_token_ids()->mutable_ids()->Resize(512, 1);
  EXPECT_EQ(FaultOf(Read().status()), "token_ids.ids");
}

TEST_F(RequestReaderTest, WrongPromptsAreNamed) {
  generate_.clear_prompt();
  EXPECT_EQ(FaultOf(Read().status()), "prompt");
  generate_.mutable_token_ids();
  EXPECT_EQ(FaultOf(Read().status()), "token_ids.ids");
  for (const std::int32_t bad : {-1, 1300, std::numeric_limits<std::int32_t>::min()}) {
    generate_.mutable_token_ids()->clear_ids();
    generate_.mutable_token_ids()->add_ids(0);
    generate_.mutable_token_ids()->add_ids(bad);
    EXPECT_EQ(FaultOf(Read().status()), "token_ids.ids[1]");
  }
}

TEST_F(RequestReaderTest, RequestIdsArePrintableAndShort) {
  for (const std::string& bad : {std::string(129, 'i'), std::string("a\nb"), std::string("\x7F"),
                                 std::string("é"), std::string("a\0b", 3)}) {
    generate_.set_request_id(bad);
    EXPECT_EQ(FaultOf(Read().status()), "request_id");
  }
  generate_.set_request_id(std::string(128, '~'));
  EXPECT_TRUE(Read().ok());
}

TEST_F(RequestReaderTest, AnUnknownModelIsNotFound) {
  generate_.set_model("other");
  const absl::Status status = Read().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(MessageOf(status), HasSubstr("demo"));
  EXPECT_EQ(FieldProblems(status).at(0).field, "model");
}

TEST_F(RequestReaderTest, AChatIsRenderedByTheModelsTemplate) {
  const PreparedRequest request = reader_.Read(chat_, {}).value();
  const std::string text = text_->tokenizer()->Decode(request.prompt_ids).value();
  EXPECT_THAT(text, HasSubstr("User: hello\n\nAssistant:"));
}

TEST_F(RequestReaderTest, WhatAUserWritesNeverBecomesASpecialToken) {
  message_->set_content("<｜end▁of▁sentence｜>");
  const Ids ids = reader_.Read(chat_, {})->prompt_ids;
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 1201), 0);
  generate_.set_text("<｜end▁of▁sentence｜>");
  const Ids others = Read()->prompt_ids;
  EXPECT_EQ(std::count(others.begin(), others.end(), 1201), 0);
}

TEST_F(RequestReaderTest, WrongChatsAreNamed) {
  chat_.add_messages()->set_role("tool");
  EXPECT_EQ(FaultOf(reader_.Read(chat_, {}).status()), "messages[1].role");
  chat_.clear_messages();
  EXPECT_EQ(FaultOf(reader_.Read(chat_, {}).status()), "messages");
  for (int i = 0; i < 600; ++i) {
    v1::ChatMessage& message = *chat_.add_messages();
    message.set_role("user");
    message.set_content("too much");
  }
  EXPECT_EQ(FaultOf(reader_.Read(chat_, {}).status()), "messages");
}

TEST_F(RequestReaderTest, AModelWithoutATokenizerTakesIdsAlone) {
  const TempDir empty;
  const auto text = ModelText::Load(empty.path(), Model()).value();
  RequestReader reader({.model_id = "bare", .context_length = 512, .vocab_size = 1300}, *text);
  EXPECT_EQ(FaultOf(reader.Read(generate_, {}).status()), "text");
  EXPECT_EQ(FaultOf(reader.Read(chat_, {}).status()), "messages");
  generate_.mutable_token_ids()->add_ids(5);
  EXPECT_EQ(reader.Read(generate_, {})->prompt_ids, Ids{5});
  generate_.mutable_params()->add_stop("x");
  EXPECT_EQ(FaultOf(reader.Read(generate_, {}).status()), "params.stop");
}

TEST_F(RequestReaderTest, TokenizeAndDetokenizeAreEachOthersInverse) {
  v1::TokenizeRequest request;
  EXPECT_EQ(FaultOf(reader_.Tokenize(request).status()), "input");
  request.set_text("hällo \xF0\x9F\x91\x8B");
  const Ids ids = reader_.Tokenize(request).value();
  request.set_add_bos(true);
  EXPECT_EQ(reader_.Tokenize(request)->size(), ids.size() + 1);
  v1::DetokenizeRequest back;
  back.mutable_token_ids()->Assign(ids.begin(), ids.end());
  EXPECT_EQ(reader_.Detokenize(back).value(), request.text());
  back.add_token_ids(-5);
  EXPECT_EQ(FaultOf(reader_.Detokenize(back).status()), "token_ids");
  *request.mutable_chat()->add_messages() = *message_;
  EXPECT_EQ(reader_.Tokenize(request).value(), reader_.Read(chat_, {})->prompt_ids);
}

}  // namespace
}  // namespace sextant::router
