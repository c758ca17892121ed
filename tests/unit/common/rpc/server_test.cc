#include "common/rpc/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <fstream>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "common/rpc/channel.h"
#include "common/rpc/unix_socket.h"
#include "proto/sextant/v1/admin.grpc.pb.h"
#include "tests/support/temp_dir.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

bool CanConnect(const std::string& target) {
  return OpenChannel(target)->WaitForConnected(std::chrono::system_clock::now() +
                                               std::chrono::seconds(5));
}

TEST(RpcServerTest, ListensOnEveryTargetAndTellsThePort) {
  const TempDir dir;
  const std::string socket = "unix:" + dir.path() + "/s.sock";
  auto server = RpcServer::Start({.listen = {"127.0.0.1:0", socket}, .services = {}});
  ASSERT_TRUE(server.ok()) << server.status();
  ASSERT_EQ((*server)->targets().size(), 2U);
  EXPECT_THAT((*server)->targets()[0], StartsWith("127.0.0.1:"));
  EXPECT_NE((*server)->targets()[0], "127.0.0.1:0");
  EXPECT_TRUE(CanConnect((*server)->targets()[0]));
  EXPECT_TRUE(CanConnect(socket));
}

TEST(RpcServerTest, TakenPortIsAnErrorThatNamesIt) {
  auto first = RpcServer::Start({.listen = {"127.0.0.1:0"}, .services = {}});
  ASSERT_TRUE(first.ok());
  const std::string taken = (*first)->targets()[0];
  auto second = RpcServer::Start({.listen = {taken}, .services = {}});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(taken));
}

TEST(RpcServerTest, SocketOfAKilledProcessIsReplaced) {
  const TempDir dir;
  const std::string path = dir.path() + "/s.sock";
  const int left = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(left, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  close(left);

  auto server = RpcServer::Start({.listen = {"unix:" + path}, .services = {}});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ(RemoveStaleUnixSocket("unix:" + path).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(CanConnect("unix:" + path));
}

TEST(RpcServerTest, FilesAreNeverRemoved) {
  const TempDir dir;
  const std::string path = dir.path() + "/notes.txt";
  std::ofstream(path) << "keep me";
  EXPECT_EQ(RemoveStaleUnixSocket("unix:" + path).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(std::ifstream(path).good());
}

// Answers when it is told to.
class HeldAdmin final : public v1::Admin::CallbackService {
 public:
  grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext* context, const v1::StatusRequest*,
                                   v1::ClusterStatus*) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    held_.set_value(reactor);
    return reactor;
  }
  // The call that is there, or comes.
  grpc::ServerUnaryReactor* Held() { return held_.get_future().get(); }

 private:
  std::promise<grpc::ServerUnaryReactor*> held_;
};

class PromptAdmin final : public v1::Admin::CallbackService {
 public:
  grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext* context, const v1::StatusRequest*,
                                   v1::ClusterStatus*) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

class RpcServerStopTest : public ::testing::Test {
 protected:
  RpcServerStopTest() {
    auto server = RpcServer::Start({.listen = {"127.0.0.1:0"}, .services = {&held_}});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    stub_ = v1::Admin::NewStub(OpenChannel(server_->targets()[0]));
  }

  std::future<grpc::Status> Ask() {
    return std::async(std::launch::async, [this] {
      grpc::ClientContext context;
      context.set_wait_for_ready(true);
      context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
      v1::ClusterStatus status;
      return stub_->Status(&context, v1::StatusRequest(), &status);
    });
  }

  // Takes the address over as soon as nobody listens there.
  std::unique_ptr<RpcServer> Successor() {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (absl::Now() < deadline) {
      prompt_.push_back(std::make_unique<PromptAdmin>());  // one serves one server only
      auto server =
          RpcServer::Start({.listen = {server_->targets()[0]}, .services = {prompt_.back().get()}});
      if (server.ok()) return *std::move(server);
      absl::SleepFor(absl::Milliseconds(5));
    }
    return nullptr;
  }

  HeldAdmin held_;
  std::vector<std::unique_ptr<PromptAdmin>> prompt_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<v1::Admin::Stub> stub_;
};

TEST_F(RpcServerStopTest, NewCallsOfAnOldConnectionGoToTheSuccessorAndRunningOnesEndHere) {
  auto running = Ask();
  grpc::ServerUnaryReactor* const call = held_.Held();
  server_->StopListening();
  const auto successor = Successor();
  ASSERT_NE(successor, nullptr);
  // The old server would hold a call that it took. One that comes before the client has heard that
  // the server takes no more is ended, and a client asks again.
  grpc::Status answer = Ask().get();
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (answer.error_code() != grpc::StatusCode::OK && absl::Now() < deadline) {
    EXPECT_TRUE(answer.error_code() == grpc::StatusCode::CANCELLED ||
                answer.error_code() == grpc::StatusCode::UNAVAILABLE)
        << answer.error_message();
    answer = Ask().get();
  }
  EXPECT_TRUE(answer.ok()) << answer.error_message();
  EXPECT_EQ(running.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  call->Finish(grpc::Status::OK);
  EXPECT_TRUE(running.get().ok());
  server_->Shutdown(absl::Seconds(20));
}

TEST_F(RpcServerStopTest, CallsThatOutlastTheGraceAreCancelled) {
  auto running = Ask();
  grpc::ServerUnaryReactor* const call = held_.Held();
  server_->StopListening();
  std::thread shutdown([this] { server_->Shutdown(absl::ZeroDuration()); });
  EXPECT_FALSE(running.get().ok());
  call->Finish(grpc::Status::OK);  // until then the server waits for it
  shutdown.join();
}

TEST(RpcChannelTest, UnixSocketsAreForPeersOfTheSameHost) {
  v1::Endpoint peer;
  peer.set_host_id("a");
  peer.set_unix_target("unix:/run/a.sock");
  peer.set_tcp_target("10.0.0.1:1");
  EXPECT_EQ(TargetOf(peer, "a"), "unix:/run/a.sock");
  EXPECT_EQ(TargetOf(peer, "b"), "10.0.0.1:1");
  peer.clear_unix_target();
  EXPECT_EQ(TargetOf(peer, "a"), "10.0.0.1:1");
}

TEST(RpcChannelTest, AContainerIsAHostOfItsOwn) {
  EXPECT_THAT(HostId(), Not(IsEmpty()));
  EXPECT_EQ(HostId(), HostId());
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNS) != 0) _exit(1);
    const std::string id = HostId();
    _exit(write(ends[1], id.data(), id.size()) == static_cast<ssize_t>(id.size()) ? 0 : 2);
  }
  close(ends[1]);
  std::array<char, 256> bytes{};
  const ssize_t count = read(ends[0], bytes.data(), bytes.size());
  close(ends[0]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  if (WEXITSTATUS(status) == 1) GTEST_SKIP() << "a mount namespace needs root";
  ASSERT_EQ(status, 0);
  EXPECT_NE(std::string(bytes.data(), static_cast<std::size_t>(count)), HostId());
}

}  // namespace
}  // namespace sextant
