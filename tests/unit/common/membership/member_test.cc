#include "common/membership/member.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/base/version.h"
#include "common/errors/error_details.h"
#include "tests/support/message_of.h"
#include "tests/unit/common/membership/scripted_router.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Writes down what it is told; Prepare and Commit wait while it is blocked.
class RecordingRole final : public MemberRole {
 public:
  absl::Status Prepare(const v1::Placement& placement) override {
    Note(absl::StrCat("prepare ", placement.epoch()));
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return !blocked_ || placement.epoch() < newest_; });
    return next_answer_;
  }
  void Commit(std::uint64_t epoch) override {
    Note(absl::StrCat("commit ", epoch));
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return !blocked_ || epoch < newest_; });
  }
  void Retire(std::uint64_t epoch) override { Note(absl::StrCat("retire ", epoch)); }
  // A blocked Prepare of an older placement ends.
  void Supersede(std::uint64_t epoch) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    newest_ = epoch;
    changed_.notify_all();
  }
  void Halt(std::uint64_t before) override {
    Note(absl::StrCat("halt ", before));
    Supersede(before);
  }
  void FillHeartbeat(v1::Heartbeat& beat) override { beat.set_running(7); }

  void Answer(const absl::Status& status) {
    const std::lock_guard<std::mutex> lock(mutex_);
    next_answer_ = status;
  }
  void Block(bool blocked) {
    const std::lock_guard<std::mutex> lock(mutex_);
    blocked_ = blocked;
    changed_.notify_all();
  }
  std::vector<std::string> WaitForNotes(std::size_t count) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, kPatience, [&] { return notes_.size() >= count; });
    return notes_;
  }

 private:
  void Note(const std::string& note) {
    const std::lock_guard<std::mutex> lock(mutex_);
    notes_.push_back(note);
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool blocked_ = false;
  std::uint64_t newest_ = 0;
  absl::Status next_answer_;
  std::vector<std::string> notes_;
};

v1::Hello ExpertHello() {
  v1::Hello hello;
  hello.set_role(v1::ROLE_EXPERT);
  hello.add_numeric_profiles("best");
  hello.add_numeric_profiles("good");
  return hello;
}

// A member that has been welcomed by session 0 of the router.
std::unique_ptr<Member> JoinAndWelcome(ScriptedRouter& router, int death_ms = 60'000,
                                       std::function<void()> on_ended = nullptr) {
  std::thread welcome([&] {
    auto session = router.session(0);
    ASSERT_TRUE(session->Next().has_value());
    session->Welcome("good", death_ms);
  });
  auto member = Member::Join(
      {.router_target = router.target(), .hello = ExpertHello(), .on_ended = std::move(on_ended)});
  welcome.join();
  EXPECT_TRUE(member.ok()) << member.status();
  return member.ok() ? *std::move(member) : nullptr;
}

TEST(MemberTest, SaysHelloAndIsWelcomed) {
  ScriptedRouter router;
  v1::Hello heard;
  std::thread script([&] {
    auto session = router.session(0);
    heard = session->Next()->hello();
    session->Welcome("good");
  });
  auto joined = Member::Join({.router_target = router.target(), .hello = ExpertHello()});
  script.join();
  ASSERT_TRUE(joined.ok()) << joined.status();
  EXPECT_EQ(heard.version(), Version());
  EXPECT_EQ(heard.worker_id(), (*joined)->worker_id());
  EXPECT_THAT(heard.worker_id(), StartsWith("expert-"));
  EXPECT_EQ(heard.pid(), getpid());
  EXPECT_FALSE(heard.has_holding());
  EXPECT_THAT(heard.numeric_profiles(), ElementsAre("best", "good"));
  EXPECT_EQ((*joined)->welcome().numeric_profile(), "good");
}

TEST(MemberTest, RefusalIsTheErrorOfJoin) {
  ScriptedRouter router;
  router.Refuse(WithReason(absl::FailedPreconditionError("version 1 here, 2 there"),
                           "VERSION_MISMATCH", {{"worker", "1"}}));
  auto joined = Member::Join({.router_target = router.target(), .hello = ExpertHello()});
  EXPECT_EQ(joined.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(MessageOf(joined), "version 1 here, 2 there");
  EXPECT_EQ(Reason(joined.status()), "VERSION_MISMATCH");
}

TEST(MemberTest, MissingRouterIsAnErrorAfterTheTimeout) {
  auto joined = Member::Join({.router_target = "127.0.0.1:1",
                              .hello = ExpertHello(),
                              .join_timeout = absl::Milliseconds(200)});
  EXPECT_EQ(joined.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(MessageOf(joined), HasSubstr("127.0.0.1:1"));
}

TEST(MemberTest, ServerThatIsNoRouterIsAnError) {
  auto server = RpcServer::Start({.listen = {"127.0.0.1:0"}, .services = {}});
  ASSERT_TRUE(server.ok());
  auto joined = Member::Join({.router_target = (*server)->targets()[0], .hello = ExpertHello()});
  EXPECT_EQ(joined.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(MessageOf(joined), HasSubstr("is it a router?"));
}

TEST(MemberTest, WaitsForARouterThatComesLater) {
  std::string target;
  {
    const ScriptedRouter first;
    target = first.target();
  }
  absl::StatusOr<std::unique_ptr<Member>> joined = absl::UnknownError("");
  std::thread joining(
      [&] { joined = Member::Join({.router_target = target, .hello = ExpertHello()}); });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  ScriptedRouter router(target);
  auto session = router.session(0);
  ASSERT_NE(session, nullptr);
  session->Welcome("good");
  joining.join();
  EXPECT_TRUE(joined.ok()) << joined.status();
}

TEST(MemberTest, HeartbeatsBeginWithStart) {
  ScriptedRouter router;
  auto member = JoinAndWelcome(router);
  RecordingRole role;
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  member->Start(role);
  auto beat = router.session(0)->NextHeartbeat();
  ASSERT_TRUE(beat.has_value());
  EXPECT_EQ(beat->heartbeat().running(), 7);
  EXPECT_EQ(beat->heartbeat().epoch(), 0U);
}

TEST(MemberTest, EpochPassesThroughItsPhases) {
  ScriptedRouter router;
  auto member = JoinAndWelcome(router);
  RecordingRole role;
  member->Start(role);
  auto session = router.session(0);
  session->Prepare(4);
  EXPECT_EQ(session->Next()->prepared().epoch(), 4U);
  session->Commit(4);
  EXPECT_EQ(session->Next()->committed().epoch(), 4U);
  session->Retire(4);
  EXPECT_THAT(role.WaitForNotes(3), ElementsAre("prepare 4", "commit 4", "retire 4"));
  std::uint64_t epoch = 0;
  while (epoch != 4) {
    auto beat = session->NextHeartbeat();
    ASSERT_TRUE(beat.has_value());
    epoch = beat->heartbeat().epoch();
  }
}

TEST(MemberTest, FailedPreparationIsTold) {
  ScriptedRouter router;
  auto member = JoinAndWelcome(router);
  RecordingRole role;
  role.Answer(absl::UnavailableError("no memory left"));
  member->Start(role);
  auto session = router.session(0);
  session->Prepare(4);
  EXPECT_EQ(session->Next()->prepared().error(), "no memory left");
}

TEST(MemberTest, HeartbeatsGoOnWhilePreparing) {
  ScriptedRouter router;
  auto member = JoinAndWelcome(router);
  RecordingRole role;
  role.Block(true);
  member->Start(role);
  auto session = router.session(0);
  session->Prepare(1);
  role.WaitForNotes(1);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(session->NextHeartbeat().has_value());
  role.Block(false);
  EXPECT_EQ(session->Next()->prepared().epoch(), 1U);
}

TEST(MemberTest, ANewerPlacementIsToldOfWhileAnOlderOneIsPrepared) {
  ScriptedRouter router;
  auto member = JoinAndWelcome(router);
  RecordingRole role;
  role.Block(true);
  member->Start(role);
  auto session = router.session(0);
  session->Prepare(1);
  role.WaitForNotes(1);
  session->Prepare(2);
  EXPECT_EQ(session->Next()->prepared().epoch(), 1U);
  role.Block(false);
  EXPECT_EQ(session->Next()->prepared().epoch(), 2U);
}

TEST(MemberTest, AHaltIsAnsweredAtOnceAlsoWhileCommitting) {
  ScriptedRouter router;
  auto member = JoinAndWelcome(router);
  RecordingRole role;
  member->Start(role);
  auto session = router.session(0);
  session->Prepare(4);
  EXPECT_EQ(session->Next()->prepared().epoch(), 4U);
  role.Block(true);
  session->Commit(4);
  EXPECT_THAT(role.WaitForNotes(2), ElementsAre("prepare 4", "commit 4"));
  session->Halt(5);
  EXPECT_EQ(session->Next()->halted().before(), 5U);
  // The commit has ended as well, and nobody is told of it.
  role.Block(false);
  session->Prepare(5);
  EXPECT_EQ(session->Next()->prepared().epoch(), 5U);
  session->Commit(5);
  EXPECT_EQ(session->Next()->committed().epoch(), 5U);
  EXPECT_THAT(role.WaitForNotes(5),
              ElementsAre("prepare 4", "commit 4", "halt 5", "prepare 5", "commit 5"));
}

TEST(MemberTest, CommandsThatAHaltHasOvertakenAreDroppedAndTheSessionGoesOn) {
  ScriptedRouter router;
  auto member = JoinAndWelcome(router);
  RecordingRole role;
  role.Block(true);
  member->Start(role);
  auto session = router.session(0);
  session->Prepare(4);
  role.WaitForNotes(1);
  for (const std::uint64_t epoch : {4U, 6U}) session->Commit(epoch);
  session->Retire(4);
  session->Halt(7);
  EXPECT_EQ(session->Next()->halted().before(), 7U);
  role.Block(false);
  session->Prepare(7);
  EXPECT_EQ(session->Next()->prepared().epoch(), 7U);
  EXPECT_THAT(role.WaitForNotes(3), ElementsAre("prepare 4", "halt 7", "prepare 7"));
}

TEST(MemberTest, ANewRouterIsNotToldOfAHaltedEpoch) {
  ScriptedRouter router;
  auto member = JoinAndWelcome(router);
  RecordingRole role;
  member->Start(role);
  auto first = router.session(0);
  first->Prepare(4);
  ASSERT_TRUE(first->Next().has_value());
  first->Commit(4);
  ASSERT_TRUE(first->Next().has_value());
  first->Halt(5);
  ASSERT_TRUE(first->Next().has_value());
  first->End(absl::AbortedError("router stops"));
  auto second = router.session(1);
  ASSERT_NE(second, nullptr);
  const v1::Hello hello = second->Next()->hello();
  EXPECT_FALSE(hello.has_holding());
  EXPECT_EQ(hello.newest_epoch(), 5U);
}

TEST(MemberTest, LostRouterIsDialledAgainAndToldWhatIsHeld) {
  ScriptedRouter router;
  auto member = JoinAndWelcome(router);
  RecordingRole role;
  member->Start(role);
  auto first = router.session(0);
  first->Prepare(4);
  ASSERT_TRUE(first->Next().has_value());
  first->Commit(4);
  ASSERT_TRUE(first->Next().has_value());
  first->Prepare(6);
  ASSERT_TRUE(first->Next().has_value());
  first->End(absl::AbortedError("router stops"));

  auto second = router.session(1);
  ASSERT_NE(second, nullptr);
  const v1::Hello hello = second->Next()->hello();
  EXPECT_EQ(hello.worker_id(), member->worker_id());
  EXPECT_EQ(hello.holding().epoch(), 4U);
  EXPECT_EQ(hello.newest_epoch(), 6U);
  EXPECT_THAT(hello.numeric_profiles(), ElementsAre("good"));
  second->Welcome("good");
  ASSERT_TRUE(second->NextHeartbeat().has_value());
  second->Prepare(7);
  EXPECT_EQ(second->Next()->prepared().epoch(), 7U);
  EXPECT_TRUE(member->failure().ok());
}

TEST(MemberTest, AnswerOfALostSessionIsNotGivenToTheNext) {
  ScriptedRouter router;
  auto member = JoinAndWelcome(router);
  RecordingRole role;
  role.Block(true);
  member->Start(role);
  router.session(0)->Prepare(1);
  role.WaitForNotes(1);
  router.session(0)->End(absl::AbortedError("router stops"));
  auto second = router.session(1);
  ASSERT_NE(second, nullptr);
  ASSERT_TRUE(second->Next()->has_hello());
  second->Welcome("good");
  ASSERT_TRUE(second->NextHeartbeat().has_value());
  role.Block(false);
  second->Prepare(2);
  EXPECT_EQ(second->Next()->prepared().epoch(), 2U);
}

TEST(MemberTest, SilentRouterIsDialledAgain) {
  ScriptedRouter router;
  auto member = JoinAndWelcome(router, /*death_ms=*/100);
  auto second = router.session(1);
  ASSERT_NE(second, nullptr);
  EXPECT_TRUE(second->Next()->has_hello());
}

TEST(MemberTest, CommandThatDoesNotFitEndsTheSession) {
  ScriptedRouter router;
  auto member = JoinAndWelcome(router);
  RecordingRole role;
  member->Start(role);
  router.session(0)->Commit(9);
  EXPECT_TRUE(router.session(0)->WaitUntilOver());
  ASSERT_NE(router.session(1), nullptr);
  EXPECT_TRUE(role.WaitForNotes(0).empty());
}

TEST(MemberTest, LeavingWaitsForTheGoodbye) {
  ScriptedRouter router;
  std::atomic<int> ended = 0;
  auto member = JoinAndWelcome(router, 60'000, [&] { ++ended; });
  RecordingRole role;
  member->Start(role);
  auto session = router.session(0);
  std::atomic<bool> said_goodbye = false;
  std::thread script([&] {
    auto message = session->Next();
    ASSERT_TRUE(message.has_value() && message->has_leaving());
    session->Prepare(5);  // epochs go on
    ASSERT_TRUE(session->Next()->has_prepared());
    said_goodbye = true;
    session->Goodbye();
    session->End(absl::OkStatus());
  });
  member->Leave(absl::Seconds(20));
  EXPECT_TRUE(said_goodbye);
  script.join();
  EXPECT_TRUE(member->failure().ok());
  EXPECT_EQ(ended, 0);
}

TEST(MemberTest, LeavingWaitsNoLongerThanItsGrace) {
  ScriptedRouter router;
  auto member = JoinAndWelcome(router);
  RecordingRole role;
  member->Start(role);
  ASSERT_TRUE(router.session(0)->NextHeartbeat().has_value());
  member->Leave(absl::Milliseconds(50));
  EXPECT_TRUE(router.session(0)->WaitUntilOver());
}

TEST(MemberTest, GoodbyeEndsTheMembership) {
  ScriptedRouter router;
  std::mutex mutex;
  std::condition_variable changed;
  bool ended = false;
  auto member = JoinAndWelcome(router, 60'000, [&] {
    const std::lock_guard<std::mutex> lock(mutex);
    ended = true;
    changed.notify_all();
  });
  RecordingRole role;
  member->Start(role);
  router.session(0)->Goodbye();
  router.session(0)->End(absl::OkStatus());
  std::unique_lock<std::mutex> lock(mutex);
  EXPECT_TRUE(changed.wait_for(lock, kPatience, [&] { return ended; }));
  EXPECT_TRUE(member->failure().ok());
}

TEST(MemberTest, RefusalByANewRouterEndsTheMembership) {
  ScriptedRouter router;
  std::mutex mutex;
  std::condition_variable changed;
  bool ended = false;
  auto member = JoinAndWelcome(router, 60'000, [&] {
    const std::lock_guard<std::mutex> lock(mutex);
    ended = true;
    changed.notify_all();
  });
  RecordingRole role;
  member->Start(role);
  router.Refuse(absl::FailedPreconditionError("another model"));
  router.session(0)->End(absl::AbortedError("router stops"));
  std::unique_lock<std::mutex> lock(mutex);
  EXPECT_TRUE(changed.wait_for(lock, kPatience, [&] { return ended; }));
  EXPECT_EQ(MessageOf(member->failure()), "another model");
}

}  // namespace
}  // namespace sextant
