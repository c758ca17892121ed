// Peers that send garbage, too much, or nothing: each gets an error, and nobody else notices.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <random>

#include "common/exchange/byte_buffer.h"
#include "common/rpc/channel.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/expert_worker/dispatch/fake_experts.h"
#include "tests/unit/expert_worker/dispatch/fake_source.h"
#include "tests/unit/expert_worker/service/expert_node.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;

constexpr std::int32_t kHidden = 16;
constexpr auto kInvalidArgument = static_cast<int>(absl::StatusCode::kInvalidArgument);

// A stream on which a test writes what it likes, one call after another.
class RawStream {
 public:
  explicit RawStream(const std::string& target) : stub_(OpenChannel(target)) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    call_ = stub_.PrepareCall(&context_, kExchangeMethod, &queue_);
    call_->StartCall(nullptr);
    EXPECT_TRUE(Next());
  }
  ~RawStream() {
    context_.TryCancel();
    if (!finished_) static_cast<void>(Finish());
    queue_.Shutdown();
    static_cast<void>(Next());
  }

  [[nodiscard]] bool Write(const std::string& bytes) {
    const grpc::Slice slice(bytes);
    call_->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    return Next();
  }
  [[nodiscard]] bool Write(const DispatchHeader& header, float first) {
    const SomeDispatch dispatch(header, first);
    return Write(std::string(reinterpret_cast<const char*>(dispatch.bytes->data.get()),
                             dispatch.bytes->size));
  }
  [[nodiscard]] bool WritesDone() {
    call_->WritesDone(nullptr);
    return Next();
  }
  [[nodiscard]] bool Read(SomeAnswer& answer, std::uint64_t& dispatch) {
    grpc::ByteBuffer bytes;
    call_->Read(&bytes, nullptr);
    if (!Next()) return false;
    const ReceivedBytes received(bytes);
    OutputFrame frame;
    EXPECT_TRUE(ParseOutputFrame(received.chunks(), frame).ok());
    dispatch = frame.header.dispatch;
    answer = {.code = frame.header.code, .message = frame.header.message, .rows = {}};
    return true;
  }
  [[nodiscard]] grpc::Status Finish() {
    finished_ = true;
    grpc::Status status;
    call_->Finish(&status, nullptr);
    EXPECT_TRUE(Next());
    return status;
  }

 private:
  bool Next() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  grpc::GenericStub stub_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  bool finished_ = false;
};

struct Node {
  Node()
      : experts({0, 1, 2, 3}),
        node("w", "unix:" + dir.path() + "/w",
             {.num_experts = 4, .hidden = kHidden, .type = DType::kFp32}, experts) {}
  TempDir dir;
  FakeExperts experts;
  ExpertNode node;
};

DispatchHeader Header(std::uint64_t dispatch) {
  return {.dispatch = dispatch,
          .epoch = 1,
          .layer = 1,
          .num_rows = 1,
          .hidden = kHidden,
          .type = DType::kFp32,
          .pairs = {{0, 2}}};
}

void ExpectServed(RawStream& stream, std::uint64_t dispatch) {
  ASSERT_TRUE(stream.Write(Header(dispatch), 1.0F));
  SomeAnswer answer;
  std::uint64_t number = 0;
  ASSERT_TRUE(stream.Read(answer, number));
  EXPECT_EQ(number, dispatch);
  EXPECT_EQ(answer.code, 0) << answer.message;
}

TEST(HostilePeerTest, EveryGarbageFrameIsAnsweredWithAnErrorAndTheStreamGoesOn) {
  Node node;
  RawStream stream(node.node.target());
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    std::string garbage(random() % 200, '\0');
    for (char& byte : garbage) byte = static_cast<char>(random());
    ASSERT_TRUE(stream.Write(garbage));
    SomeAnswer answer;
    std::uint64_t number = 0;
    ASSERT_TRUE(stream.Read(answer, number));
    EXPECT_EQ(answer.code, kInvalidArgument);
    EXPECT_FALSE(answer.message.empty());
  }
  ExpectServed(stream, 1000);
}

TEST(HostilePeerTest, DamagedFramesAreAnsweredWhateverIsWrongWithThem) {
  Node node;
  RawStream stream(node.node.target());
  const SomeDispatch right(Header(77), 1.0F);
  const std::string bytes(reinterpret_cast<const char*>(right.bytes->data.get()),
                          right.bytes->size);
  std::mt19937 random(2);
  for (int round = 0; round < 500; ++round) {
    std::string damaged = bytes;
    damaged[random() % 24] = static_cast<char>(random());
    if (random() % 4 == 0) damaged.resize(random() % damaged.size());
    ASSERT_TRUE(stream.Write(damaged));
    SomeAnswer answer;
    std::uint64_t number = 0;
    ASSERT_TRUE(stream.Read(answer, number)) << round;
  }
  ExpectServed(stream, 1000);
}

TEST(HostilePeerTest, AMessageBeyondTheLimitEndsItsStreamAlone) {
  Node node;
  RawStream good(node.node.target());
  ExpectServed(good, 1);
  {
    RawStream stream(node.node.target());
    static_cast<void>(stream.Write(std::string(kMaxFrameBytes + (1 << 20), 'x')));
    SomeAnswer answer;
    std::uint64_t number = 0;
    EXPECT_FALSE(stream.Read(answer, number));
    EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  }
  ExpectServed(good, 2);
}

TEST(HostilePeerTest, WhoeverOnlyWritesIsHeldUpAndNobodyElseIs) {
  Node node;
  node.experts.StandStill(true);
  RawStream greedy(node.node.target());
  for (std::uint64_t i = 1; i <= 50; ++i) ASSERT_TRUE(greedy.Write(Header(i), 1.0F));
  node.experts.WaitForBatch();
  absl::SleepFor(absl::Milliseconds(50));
  EXPECT_LT(node.node.worker().counts().waiting, ExchangeStream::kMaxUnanswered);
  node.experts.StandStill(false);
  RawStream other(node.node.target());
  ExpectServed(other, 1);
  for (std::uint64_t i = 1; i <= 50; ++i) {
    SomeAnswer answer;
    std::uint64_t number = 0;
    ASSERT_TRUE(greedy.Read(answer, number));
    EXPECT_EQ(number, i);
  }
}

TEST(HostilePeerTest, WhoeverHasSaidAllStillGetsEveryAnswer) {
  Node node;
  node.experts.StandStill(true);
  RawStream stream(node.node.target());
  for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(stream.Write(Header(i), 1.0F));
  ASSERT_TRUE(stream.WritesDone());
  node.experts.StandStill(false);
  SomeAnswer answer;
  std::uint64_t number = 0;
  for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(stream.Read(answer, number));
  EXPECT_FALSE(stream.Read(answer, number));
  EXPECT_TRUE(stream.Finish().ok());
}

TEST(HostilePeerTest, MoreStreamsThanAreAllowedAreRefused) {
  Node node;
  std::vector<std::unique_ptr<RawStream>> streams;
  for (int i = 0; i < ExpertService::kMaxStreams; ++i) {
    streams.push_back(std::make_unique<RawStream>(node.node.target()));
    ExpectServed(*streams.back(), 1);
  }
  RawStream one_more(node.node.target());
  SomeAnswer answer;
  std::uint64_t number = 0;
  EXPECT_FALSE(one_more.Read(answer, number));
  EXPECT_EQ(one_more.Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  ExpectServed(*streams.front(), 2);
}

TEST(HostilePeerTest, StreamsThatBreakWithWorkUnderWayLeaveTheWorkerAlive) {
  Node node;
  for (int round = 0; round < 20; ++round) {
    node.experts.StandStill(true);
    {
      RawStream stream(node.node.target());
      for (std::uint64_t i = 1; i <= 5; ++i) ASSERT_TRUE(stream.Write(Header(i), 1.0F));
    }
    node.experts.StandStill(false);
  }
  RawStream stream(node.node.target());
  ExpectServed(stream, 9);
}

}  // namespace
}  // namespace sextant
