#include "common/exchange/ranks/communicator_reaper.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "tests/unit/common/exchange/ranks/stub_communicator.h"

namespace sextant {
namespace {

TEST(CommunicatorReaperTest, TheEndOfTheLastCopyWaitsForNobody) {
  CommunicatorReaper reaper;
  std::promise<void> others_end;
  std::promise<std::thread::id> ended;
  auto adopted = reaper.Adopt(std::make_shared<StubCommunicator>([&] {
    others_end.get_future().wait();
    ended.set_value(std::this_thread::get_id());
  }));
  ASSERT_TRUE(adopted.ok()) << adopted.status();
  std::shared_ptr<Communicator> copy = *adopted;
  adopted->reset();
  EXPECT_TRUE(copy->Health().ok());
  copy.reset();  // returns though the others have not ended
  others_end.set_value();
  EXPECT_NE(ended.get_future().get(), std::this_thread::get_id());
}

TEST(CommunicatorReaperTest, ItsOwnEndWaitsForTheLastOne) {
  int ended = 0;
  {
    CommunicatorReaper reaper;
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(reaper.Adopt(std::make_shared<StubCommunicator>([&ended] { ++ended; })).ok());
    }
  }
  EXPECT_EQ(ended, 3);
}

TEST(CommunicatorReaperTest, TakesNoMoreThanItCanEnd) {
  CommunicatorReaper reaper;
  std::promise<void> others_end;
  const std::shared_future<void> wait = others_end.get_future().share();
  std::vector<std::shared_ptr<Communicator>> used;
  for (std::size_t i = 0; i < CommunicatorReaper::kMost; ++i) {
    auto adopted = reaper.Adopt(std::make_shared<StubCommunicator>([wait] { wait.wait(); }));
    ASSERT_TRUE(adopted.ok()) << adopted.status();
    used.push_back(*std::move(adopted));
  }
  used.clear();  // none has ended by that
  EXPECT_EQ(reaper.Adopt(std::make_shared<StubCommunicator>()).status().code(),
            absl::StatusCode::kResourceExhausted);
  others_end.set_value();
}

}  // namespace
}  // namespace sextant
