// What strangers may send to a cluster's ports: every field of every request at its extremes,
// messages that are too long, out of order, or none at all, and bytes that are no gRPC. Each gets
// an error, every process lives on, and a stream beside them all gets what it gets alone.
#include <gmock/gmock.h>
#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/address_sanitizer.h"
#include "common/base/version.h"
#include "common/errors/error_details.h"
#include "common/rpc/channel.h"
#include "proto/sextant/v1/admin.pb.h"
#include "proto/sextant/v1/attention.pb.h"
#include "proto/sextant/v1/cluster.grpc.pb.h"
#include "proto/sextant/v1/expert.pb.h"
#include "tests/integration/cluster/asked_requests.h"
#include "tests/integration/cluster/bystander.h"
#include "tests/integration/cluster/extreme_messages.h"
#include "tests/integration/cluster/raw_peer.h"
#include "tests/integration/cluster/up_process.h"

namespace sextant {
namespace {

using google::protobuf::Message;
using ::testing::Not;

constexpr absl::Duration kLongestCall = absl::Minutes(2);  // a whole default answer, sanitized
// Sanitized processes are slow: there, one extreme out of so many.
constexpr std::size_t kStride = kAddressSanitizer ? 7 : 1;
constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

std::string Model() { return std::string(SEXTANT_SOURCE_DIR) + "/models/demo"; }

std::string RandomBytes(std::mt19937& random, std::size_t most) {
  std::string bytes(random() % most, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// ExtremesOf, or in sanitized builds some of them.
std::vector<ExtremeMessage> SomeExtremesOf(const Message& base) {
  std::vector<ExtremeMessage> some;
  std::vector<ExtremeMessage> all = ExtremesOf(base);
  for (std::size_t i = 0; i < all.size(); i += kStride) some.push_back(std::move(all[i]));
  return some;
}

// What a peer may be told: that its message is wrong, too long, unknown, out of order, or not
// served; not that something broke, and it must be told in time.
bool IsAnswerToNonsense(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnimplemented:
      return true;
    default:
      return false;
  }
}

class HostileInputTest : public ::testing::Test {
 protected:
  // One cluster for all: what one test has done to it, the next one finds.
  static void SetUpTestSuite() {
    google::protobuf::SetLogHandler(nullptr);  // it tells of every text that is not UTF-8
    auto up = UpProcess::Start({.model = Model()});
    ASSERT_TRUE(up.ok()) << up.status();
    up_ = up->release();
    channel_ = new auto(OpenChannel(up_->target()));
    v1::GenerateRequest request = MakeRequests(1, 250, 24).front();
    bystander_ = new Bystander(up_->target(), request);
    children_ = new auto(Children());
  }
  static void TearDownTestSuite() {
    delete bystander_;
    delete channel_;
    delete children_;
    delete up_;
  }

  void SetUp() override {
    ASSERT_NE(up_, nullptr);
    const auto status = up_->Status();
    ASSERT_TRUE(status.ok()) << status.status();
    status_ = *status;
  }
  void TearDown() override {
    if (up_ == nullptr) return;
    EXPECT_TRUE(bystander_->IsServed()) << bystander_->problem();
    EXPECT_EQ(Children(), *children_) << "a process has died";
  }

  static std::set<int> Children() {
    const std::vector<int> children = ChildrenOf(up_->pid());
    return {children.begin(), children.end()};
  }

  [[nodiscard]] std::vector<std::string> TargetsOf(v1::Role role) const {
    std::vector<std::string> targets;
    for (const v1::WorkerStatus& worker : status_.workers()) {
      if (worker.role() == role) targets.push_back(worker.target());
    }
    return targets;
  }

  // Calls a method of the router with one message; how the call ended.
  static absl::Status Call(const std::string& method, const std::string& bytes) {
    RawCall call(*channel_, method, kLongestCall);
    call.Write(bytes);
    call.WritesDone();
    return call.Finish();
  }

  // Calls with every extreme of `base`.
  static void CallWithExtremes(const std::string& method, const Message& base) {
    const std::vector<ExtremeMessage> extremes = SomeExtremesOf(base);
    for (const ExtremeMessage& extreme : extremes) {
      const absl::Status status = Call(method, extreme.bytes);
      const std::string told = absl::StrCat(method, ", ", extreme.what, ": ", status.ToString());
      if (!extreme.valid) {
        EXPECT_FALSE(status.ok()) << told;
        EXPECT_NE(status.code(), absl::StatusCode::kDeadlineExceeded) << told;
        continue;
      }
      EXPECT_TRUE(IsAnswerToNonsense(status)) << told;
      if (absl::IsInvalidArgument(status)) {
        EXPECT_THAT(FieldProblems(status), Not(::testing::IsEmpty())) << told;
      }
    }
    EXPECT_FALSE(Call(method, std::string(5 << 20, '\1')).ok()) << method;
  }

  static UpProcess* up_;
  static std::shared_ptr<grpc::Channel>* channel_;
  static Bystander* bystander_;
  static std::set<int>* children_;
  v1::ClusterStatus status_;
};

UpProcess* HostileInputTest::up_ = nullptr;
std::shared_ptr<grpc::Channel>* HostileInputTest::channel_ = nullptr;
Bystander* HostileInputTest::bystander_ = nullptr;
std::set<int>* HostileInputTest::children_ = nullptr;

v1::GenerationParams ShortAnswer() {
  v1::GenerationParams params;
  params.set_max_tokens(2);
  params.mutable_sampling()->set_seed(1);
  return params;
}

TEST_F(HostileInputTest, EveryFieldOfGenerateAtItsExtremes) {
  v1::GenerateRequest request;
  request.set_text("six");
  *request.mutable_params() = ShortAnswer();
  CallWithExtremes("/sextant.v1.Inference/Generate", request);
}

TEST_F(HostileInputTest, EveryFieldOfChatAtItsExtremes) {
  v1::ChatRequest request;
  v1::ChatMessage& message = *request.add_messages();
  message.set_role("user");
  message.set_content("six");
  *request.mutable_params() = ShortAnswer();
  CallWithExtremes("/sextant.v1.Inference/Chat", request);
}

TEST_F(HostileInputTest, EveryFieldOfTheOtherPublicRequestsAtItsExtremes) {
  v1::TokenizeRequest tokenize;
  tokenize.set_text("six");
  CallWithExtremes("/sextant.v1.Inference/Tokenize", tokenize);
  v1::DetokenizeRequest detokenize;
  detokenize.add_token_ids(5);
  CallWithExtremes("/sextant.v1.Inference/Detokenize", detokenize);
  CallWithExtremes("/sextant.v1.Inference/GetModel", v1::GetModelRequest());
  CallWithExtremes("/sextant.v1.Inference/Cancel", v1::CancelRequest());
}

TEST_F(HostileInputTest, WhatOperatorsSendByMistakeIsAnError) {
  for (const std::string& id : {std::string(), std::string("nobody"), std::string(1 << 20, 'x')}) {
    v1::DrainRequest drain;
    drain.set_worker_id(id);
    const absl::Status status = Call("/sextant.v1.Admin/Drain", drain.SerializeAsString());
    EXPECT_TRUE(!status.ok() && IsAnswerToNonsense(status)) << status;
  }
  for (const int count : {-1, std::numeric_limits<int>::min(), std::numeric_limits<int>::max()}) {
    v1::ScaleRequest scale;
    scale.set_role(v1::ROLE_EXPERT);
    scale.set_count(count);
    const absl::Status status = Call("/sextant.v1.Admin/Scale", scale.SerializeAsString());
    EXPECT_TRUE(!status.ok() && IsAnswerToNonsense(status)) << count << ": " << status;
  }
  for (const char* method : {"Status", "Watch", "Scale", "Drain", "Rebalance", "None"}) {
    const absl::Status status =
        Call(absl::StrCat("/sextant.v1.Admin/", method), std::string(3, '\xFF'));
    EXPECT_FALSE(status.ok()) << method;
  }
}

TEST_F(HostileInputTest, BytesThatAreNoMessageGetAnErrorFromEveryMethod) {
  std::mt19937 random(1);
  for (const char* method : {"Inference/Generate", "Inference/Chat", "Inference/Tokenize",
                             "Inference/Detokenize", "Cluster/Join", "Admin/Status"}) {
    for (int round = 0; round < 20; ++round) {
      // A length that goes beyond the end: no parser takes it.
      const std::string bytes = absl::StrCat("\x0A\xFF\x7F", RandomBytes(random, 300));
      const absl::Status status = Call(absl::StrCat("/sextant.v1.", method), bytes);
      EXPECT_FALSE(status.ok()) << method;
      EXPECT_NE(status.code(), absl::StatusCode::kDeadlineExceeded) << method;
    }
  }
}

// What a worker of this cluster would say.
v1::Hello RightHello(const v1::ClusterStatus& status, const std::string& worker_id) {
  v1::Hello hello;
  hello.set_worker_id(worker_id);
  hello.set_role(v1::ROLE_EXPERT);
  hello.set_version(status.version());
  hello.mutable_endpoint()->set_tcp_target("127.0.0.1:1");
  *hello.mutable_model() = status.model();
  hello.add_numeric_profiles(status.numeric_profile());
  hello.set_pid(1);
  return hello;
}

TEST_F(HostileInputTest, EveryFieldOfAHelloAtItsExtremes) {
  v1::WorkerMessage right;
  *right.mutable_hello() = RightHello(status_, "stranger");
  for (const ExtremeMessage& extreme : SomeExtremesOf(right)) {
    RawCall call(*channel_, "/sextant.v1.Cluster/Join", kLongestCall);
    call.Write(extreme.bytes);
    // Whoever was welcomed says hello again, which nobody may.
    call.Write(right.SerializeAsString());
    const absl::Status status = call.Finish();
    EXPECT_FALSE(status.ok()) << extreme.what;
    EXPECT_NE(status.code(), absl::StatusCode::kDeadlineExceeded) << extreme.what;
  }
}

TEST_F(HostileInputTest, WorkerMessagesOutOfOrderEndTheirStream) {
  v1::WorkerMessage heartbeat;
  heartbeat.mutable_heartbeat()->set_epoch(1);
  v1::WorkerMessage prepared;
  prepared.mutable_prepared()->set_epoch(~std::uint64_t{0});
  v1::WorkerMessage committed;
  committed.mutable_committed()->set_epoch(~std::uint64_t{0});
  v1::WorkerMessage leaving;
  leaving.mutable_leaving();
  for (const v1::WorkerMessage& message :
       {heartbeat, prepared, committed, leaving, v1::WorkerMessage()}) {
    RawCall call(*channel_, "/sextant.v1.Cluster/Join", kLongestCall);
    call.Write(message.SerializeAsString());
    const absl::Status status = call.Finish();
    EXPECT_FALSE(status.ok()) << message.ShortDebugString();
    EXPECT_TRUE(IsAnswerToNonsense(status)) << message.ShortDebugString() << ": " << status;
  }
}

TEST_F(HostileInputTest, AMemberMaySayWhatItLikesAndEpochsGoOn) {
  v1::WorkerMessage hello;
  *hello.mutable_hello() = RightHello(status_, "braggart");
  hello.mutable_hello()->set_newest_epoch(~std::uint64_t{0});
  hello.mutable_hello()->mutable_holding()->set_epoch(~std::uint64_t{0});
  {
    RawCall call(*channel_, "/sextant.v1.Cluster/Join", kLongestCall);
    call.Write(hello.SerializeAsString());
    v1::WorkerMessage message;
    *message.mutable_hello() = RightHello(status_, "braggart");
    call.Write(message.SerializeAsString());
    EXPECT_FALSE(call.Finish().ok());
  }
  // A worker that joins after that gets its share: epochs still ascend.
  const auto after = up_->Status();
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_GE(after->epoch(), status_.epoch());
  EXPECT_LT(after->epoch(), status_.epoch() + 100);
}

// Joins as `hello` says and agrees to every epoch, for a while.
void BeAMember(const std::shared_ptr<grpc::Channel>& channel, const v1::Hello& hello,
               absl::Duration longest) {
  const auto stub = v1::Cluster::NewStub(channel);
  grpc::ClientContext context;
  const auto stream = stub->Join(&context);
  v1::WorkerMessage message;
  *message.mutable_hello() = hello;
  ASSERT_TRUE(stream->Write(message));
  std::atomic<std::uint64_t> prepare = 0;
  std::thread reader([&] {
    v1::CoordinatorMessage command;
    while (stream->Read(&command)) {
      if (command.has_prepare()) prepare = command.prepare().epoch();
    }
  });
  const absl::Time until = absl::Now() + longest;
  bool open = true;
  while (open && absl::Now() < until) {
    message.mutable_heartbeat()->set_progressing(true);
    open = stream->Write(message);
    message.mutable_prepared()->set_epoch(prepare);
    open = open && stream->Write(message);
    message.mutable_committed()->set_epoch(prepare);
    open = open && stream->Write(message);
    absl::SleepFor(absl::Milliseconds(50));
  }
  context.TryCancel();
  reader.join();
}

TEST_F(HostileInputTest, AnExpertWorkerThatNobodyCanReachStopsNobody) {
  v1::Hello hello = RightHello(status_, "out of reach");
  BeAMember(*channel_, hello, absl::Seconds(3));
}

TEST_F(HostileInputTest, EveryFieldOfACommandToAnAttentionWorkerAtItsExtremes) {
  const auto channel = OpenChannel(TargetsOf(v1::ROLE_ATTENTION).at(0));
  v1::AttentionCommand configure;
  configure.mutable_configure();
  v1::AttentionCommand start;
  start.mutable_start()->set_sequence(1);
  start.mutable_start()->add_prompt_ids(5);
  start.mutable_start()->set_max_tokens(1);
  v1::AttentionCommand cancel;
  cancel.mutable_cancel()->set_sequence(1);
  const auto run = [&](const std::vector<std::string>& commands) {
    RawCall call(channel, "/sextant.v1.Attention/Run", kLongestCall);
    for (const std::string& command : commands) call.Write(command);
    call.WritesDone();
    return call.Finish();
  };
  std::size_t number = 0;
  for (const v1::AttentionCommand& base : {configure, start, cancel}) {
    for (const ExtremeMessage& extreme : SomeExtremesOf(base)) {
      if (number++ % 3 != 0) continue;  // a stream for each takes its time
      // As the first command, and after the one that has to be the first.
      for (const absl::Status& status :
           {run({extreme.bytes}), run({configure.SerializeAsString(), extreme.bytes})}) {
        EXPECT_NE(status.code(), absl::StatusCode::kDeadlineExceeded) << extreme.what;
        EXPECT_TRUE(!extreme.valid || IsAnswerToNonsense(status)) << extreme.what << ": " << status;
      }
    }
  }
  std::mt19937 random(2);
  for (int round = 0; round < 50; ++round) {
    EXPECT_NE(run({absl::StrCat("\x0A\xFF\x7F", RandomBytes(random, 300))}).code(),
              absl::StatusCode::kOk);
  }
  EXPECT_FALSE(run({std::string(100 << 20, '\1')}).ok());
}

TEST_F(HostileInputTest, EveryFieldOfADispatchAtItsExtremes) {
  const auto channel = OpenChannel(TargetsOf(v1::ROLE_EXPERT).at(0));
  v1::DispatchFrame right;
  right.set_dispatch(1);
  right.set_epoch(status_.epoch());
  right.set_layer(1);
  right.set_num_rows(1);
  right.set_hidden(16);
  right.set_type(v1::ELEMENT_TYPE_BF16);
  right.set_pairs(std::string(4, '\0'));
  right.set_rows(std::string(32, '\0'));
  RawCall call(channel, "/sextant.v1.Expert/Exchange", absl::Minutes(1));
  for (const ExtremeMessage& extreme : SomeExtremesOf(right)) {
    ASSERT_TRUE(call.Write(extreme.bytes)) << extreme.what;
    std::string answer;
    ASSERT_TRUE(call.Read(answer)) << extreme.what;
    v1::OutputFrame output;
    ASSERT_TRUE(output.ParseFromString(answer)) << extreme.what;
    EXPECT_NE(output.code(), 0) << extreme.what;
    EXPECT_THAT(output.message(), Not(::testing::IsEmpty())) << extreme.what;
  }
}

// Frames of HTTP/2: the length, the type, flags, the stream, then what it says.
std::string Frame(std::uint32_t length, int type, int flags, std::uint32_t stream,
                  const std::string& payload) {
  std::string frame;
  for (const int shift : {16, 8, 0}) frame.push_back(static_cast<char>(length >> shift));
  frame.push_back(static_cast<char>(type));
  frame.push_back(static_cast<char>(flags));
  for (const int shift : {24, 16, 8, 0}) frame.push_back(static_cast<char>(stream >> shift));
  return frame + payload;
}

std::vector<std::string> WrongBeginnings(std::mt19937& random) {
  const std::string begun = absl::StrCat(kPreface, Frame(0, 4, 0, 0, ""));
  std::string pings = begun;
  std::string resets = begun;
  for (std::uint32_t i = 0; i < 500; ++i) {
    pings += Frame(8, 6, 0, 0, "12345678");
    resets += Frame(5, 1, 5, 2 * i + 1, "\x83\x86\x84\x41\x8a");
    resets += Frame(4, 3, 0, 2 * i + 1, std::string(4, '\x08'));
  }
  std::vector<std::string> beginnings = {
      "",
      "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
      "POST /sextant.v1.Inference/Generate HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03",  // TLS
      kPreface,
      begun + Frame(0xFFFFFF, 0, 0, 1, "x"),
      begun + Frame(4, 8, 0, 0, "\x7F\xFF\xFF\xFF"),
      begun + Frame(6, 4, 0, 0, std::string("\x00\x04\xFF\xFF\xFF\xFF", 6)),
      begun + Frame(16, 1, 5, 1, RandomBytes(random, 17) + std::string(16, '\xFF')),
      pings,
      resets,
  };
  for (int i = 0; i < 6; ++i) {
    beginnings.push_back(RandomBytes(random, 4096));
    beginnings.push_back(begun + RandomBytes(random, 4096));
    const auto type = static_cast<int>(random() % 12);
    const auto length = static_cast<std::uint32_t>(random() % 64);
    beginnings.push_back(begun + Frame(length, type, static_cast<int>(random() % 256),
                                       static_cast<std::uint32_t>(random() % 4),
                                       RandomBytes(random, 128)));
  }
  return beginnings;
}

TEST_F(HostileInputTest, ConnectionsThatSpeakNoGrpc) {
  std::vector<std::string> ports = {up_->target()};
  for (const v1::WorkerStatus& worker : status_.workers()) {
    ports.push_back(worker.target());
    if (!worker.admin_target().empty()) ports.push_back(worker.admin_target());
  }
  ASSERT_GE(ports.size(), 4U);
  std::mt19937 random(3);
  std::vector<RawSocket> silent;  // to the end
  for (const v1::WorkerStatus& worker : status_.workers()) {
    for (int i = 0; i < 20; ++i) silent.emplace_back(worker.target());
    EXPECT_TRUE(silent.back().connected()) << worker.target();
  }
  for (int i = 0; i < 20; ++i) silent.emplace_back(up_->target());
  for (const std::string& port : ports) {
    for (const std::string& bytes : WrongBeginnings(random)) {
      RawSocket socket(port);
      ASSERT_TRUE(socket.connected()) << port;
      socket.Send(bytes);
      socket.Listen(absl::Milliseconds(5));
    }
    EXPECT_TRUE(bystander_->IsServed()) << port << ": " << bystander_->problem();
  }
}

}  // namespace
}  // namespace sextant
