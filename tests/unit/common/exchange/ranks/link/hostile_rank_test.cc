// Ranks that are none: what they say is refused, and the service goes on.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "common/exchange/ranks/link/rank_messages.h"
#include "common/exchange/ranks/link/ranks_service.h"
#include "common/rpc/channel.h"
#include "common/rpc/server.h"
#include "proto/sextant/v1/ranks.grpc.pb.h"
#include "tests/support/temp_dir.h"

namespace sextant {
namespace {

// Rank 0 attends, rank 1 does not.
RankLayout Layout() {
  auto layout =
      RankLayout::Make(2, {{.attends = true, .experts = {0}}, {.attends = false, .experts = {1}}});
  EXPECT_TRUE(layout.ok());
  return *std::move(layout);
}

// A stream whose every operation waits.
class Stream {
 public:
  explicit Stream(v1::Ranks::Stub& stub) : call_(stub.Attend(&context_)) {}

  bool Hello(const RankSeat& seat, std::uint64_t heard = 0) {
    return call_->Write(HelloMessage(seat, heard));
  }
  bool Offer(std::uint64_t step, std::int64_t rows) {
    return call_->Write(OfferMessage({.step = step, .rows = rows}));
  }
  bool HeardLast() { return call_->Write(HeardLastMessage()); }
  v1::ConductorMessage Read() {
    v1::ConductorMessage message;
    EXPECT_TRUE(call_->Read(&message));
    return message;
  }
  grpc::StatusCode End() {
    v1::ConductorMessage message;
    while (call_->Read(&message)) {
    }
    return call_->Finish().error_code();
  }
  void Cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::RankMessage, v1::ConductorMessage>> call_;
};

class HostileRankTest : public ::testing::Test {
 protected:
  HostileRankTest() {
    auto server =
        RpcServer::Start({.listen = {"unix:" + folder_.File("s")}, .services = {&service_}});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = OpenChannel(server_->targets()[0]);
    stub_ = v1::Ranks::NewStub(channel_);
    host_.Conduct(3, Layout(), "id");
  }
  // A sound rank is called to a step, whatever others do.
  void ExpectService() {
    Stream rank(*stub_);
    const RankSeat seat{.epoch = 3, .rank = 0, .attempt = ++attempt_};
    EXPECT_TRUE(rank.Hello(seat, step_));
    EXPECT_TRUE(rank.Offer(++step_, 1));
    EXPECT_EQ(rank.Read().call().step(), step_);
    rank.Cancel();
  }

  const TempDir folder_;
  ConductorHost host_{{.chosen = 6, .most_slot_rows = 16, .most_rows = 64}};
  RanksService service_{host_};
  std::unique_ptr<RpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Ranks::Stub> stub_;
  std::uint64_t attempt_ = 100;
  std::uint64_t step_ = 0;
};

TEST_F(HostileRankTest, AHelloThatNoRankSaysIsRefused) {
  struct Case {
    RankSeat seat;
    std::uint64_t heard;
    grpc::StatusCode code;
  };
  host_.EndBefore(2);
  for (const Case& one : {Case{{3, -1, 1}, 0, grpc::StatusCode::INVALID_ARGUMENT},
                          Case{{3, 2, 1}, 0, grpc::StatusCode::INVALID_ARGUMENT},
                          Case{{3, 0, 0}, 0, grpc::StatusCode::INVALID_ARGUMENT},
                          Case{{3, 0, 1}, 9, grpc::StatusCode::INVALID_ARGUMENT},
                          Case{{0, 0, 1}, 0, grpc::StatusCode::INVALID_ARGUMENT},
                          Case{{9, 1 << 20, 1}, 0, grpc::StatusCode::INVALID_ARGUMENT},
                          Case{{1, 0, 1}, 0, grpc::StatusCode::FAILED_PRECONDITION}}) {
    Stream stream(*stub_);
    EXPECT_TRUE(stream.Hello(one.seat, one.heard));
    EXPECT_EQ(stream.End(), one.code) << one.seat.epoch << " " << one.seat.rank;
  }
  ExpectService();
}

TEST_F(HostileRankTest, OffersThatNoRankMakesAreRefused) {
  struct Case {
    int rank;
    std::uint64_t step;
    std::int64_t rows;
  };
  std::uint64_t attempt = 0;
  for (const Case& one :
       {Case{1, 1, 1}, Case{0, 0, 1}, Case{0, 7, 1}, Case{0, 1, -1}, Case{0, 1, 65}}) {
    Stream stream(*stub_);
    EXPECT_TRUE(stream.Hello({.epoch = 3, .rank = one.rank, .attempt = ++attempt}));
    EXPECT_TRUE(stream.Offer(one.step, one.rows));
    EXPECT_EQ(stream.End(), grpc::StatusCode::INVALID_ARGUMENT) << one.step << " " << one.rows;
  }
  ExpectService();
}

TEST_F(HostileRankTest, MessagesHaveAnOrder) {
  Stream no_hello(*stub_);
  EXPECT_TRUE(no_hello.Offer(1, 1));
  EXPECT_EQ(no_hello.End(), grpc::StatusCode::INVALID_ARGUMENT);
  Stream two_hellos(*stub_);
  EXPECT_TRUE(two_hellos.Hello({3, 0, 1}));
  EXPECT_TRUE(two_hellos.Hello({3, 0, 2}));
  EXPECT_EQ(two_hellos.End(), grpc::StatusCode::INVALID_ARGUMENT);
  Stream early_end(*stub_);
  EXPECT_TRUE(early_end.Hello({3, 0, 2}));
  EXPECT_TRUE(early_end.HeardLast());
  EXPECT_EQ(early_end.End(), grpc::StatusCode::INVALID_ARGUMENT);
  ExpectService();
}

TEST_F(HostileRankTest, ASecondStreamOfARankIsRefusedUnlessItIsALaterAttempt) {
  Stream first(*stub_);
  EXPECT_TRUE(first.Hello({3, 0, 5}));
  EXPECT_TRUE(first.Offer(1, 2));
  EXPECT_EQ(first.Read().call().step(), 1U);
  Stream second(*stub_);
  EXPECT_TRUE(second.Hello({3, 0, 5}, 1));
  EXPECT_EQ(second.End(), grpc::StatusCode::ALREADY_EXISTS);
  Stream later(*stub_);
  EXPECT_TRUE(later.Hello({3, 0, 6}, 0));
  EXPECT_EQ(first.End(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(later.Read().call().step(), 1U);  // again, for it has not heard it
  later.Cancel();
}

TEST_F(HostileRankTest, GarbageIsRefused) {
  for (const std::string& garbage : {std::string("\xff\xff\xff\xff"), std::string(100'000, 'x')}) {
    grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub(channel_);
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    const auto call = stub.PrepareCall(&context, kAttendMethod, &queue);
    const auto wait = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      return queue.Next(&tag, &ok) && ok;
    };
    call->StartCall(nullptr);
    ASSERT_TRUE(wait());
    const grpc::Slice slice(garbage);
    call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    static_cast<void>(wait());
    grpc::Status status;
    call->Finish(&status, nullptr);
    ASSERT_TRUE(wait());
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  }
  ExpectService();
}

TEST_F(HostileRankTest, ARankThatNeverReadsHoldsUpNobody) {
  Stream silent(*stub_);
  EXPECT_TRUE(silent.Hello({3, 1, 1}));
  Stream rank(*stub_);
  EXPECT_TRUE(rank.Hello({3, 0, 1}));
  for (std::uint64_t step = 1; step <= 5000; ++step) {
    EXPECT_TRUE(rank.Offer(step, 1));
    ASSERT_EQ(rank.Read().call().step(), step);
  }
  silent.Cancel();
  rank.Cancel();
}

TEST_F(HostileRankTest, StreamsAreCounted) {
  std::vector<std::unique_ptr<Stream>> streams;
  for (int i = 0; i < RanksService::kMaxStreams; ++i) {
    streams.push_back(std::make_unique<Stream>(*stub_));
  }
  while (service_.streams() < RanksService::kMaxStreams) std::this_thread::yield();
  EXPECT_EQ(Stream(*stub_).End(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  for (const auto& stream : streams) stream->Cancel();
  streams.clear();
  while (service_.streams() > 0) std::this_thread::yield();
  ExpectService();
}

TEST_F(HostileRankTest, AnIdIsWaitedForUntilTheDeadline) {
  const auto ask = [this](std::uint64_t epoch, absl::Duration timeout, std::string& id) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    v1::GetCommunicatorIdRequest request;
    v1::GetCommunicatorIdResponse response;
    request.set_epoch(epoch);
    const grpc::StatusCode code =
        stub_->GetCommunicatorId(&context, request, &response).error_code();
    id = response.id();
    return code;
  };
  std::string id;
  EXPECT_EQ(ask(3, absl::Seconds(60), id), grpc::StatusCode::OK);
  EXPECT_EQ(id, "id");
  EXPECT_EQ(ask(0, absl::Seconds(60), id), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ask(9, absl::Milliseconds(50), id), grpc::StatusCode::DEADLINE_EXCEEDED);
  host_.EndBefore(4);
  EXPECT_EQ(ask(3, absl::Seconds(60), id), grpc::StatusCode::FAILED_PRECONDITION);
}

}  // namespace
}  // namespace sextant
