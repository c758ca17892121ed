#include "cli/node/node_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_dir.h"

namespace sextant::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Starts nothing: a child is ready at once, and gone when it is asked to be. `script` runs before
// every Wait, with the number of Waits before, and may add events and change files.
class ScriptedRunner final : public ChildRunner {
 public:
  absl::StatusOr<int> Start(const ChildSpec& child) override {
    names[next_pid] = child.name;
    events.emplace_back(ChildReady{.pid = next_pid, .targets = {}});
    return next_pid++;
  }
  void Signal(int pid, int signal) override {
    if (signal != SIGTERM || names.erase(pid) == 0) return;
    events.emplace_back(ChildExited{.pid = pid, .status = 0});
  }
  std::vector<ChildEvent> Wait(absl::Duration) override {
    script(waits++);
    return std::exchange(events, {});
  }
  void Wake() override {}

  [[nodiscard]] std::string Running() const {
    std::vector<std::string> running;
    for (const auto& [pid, name] : names) running.push_back(name);
    return absl::StrJoin(running, " ");
  }

  std::function<void(int wait)> script;
  int waits = 0;
  int next_pid = 1;
  std::map<int, std::string> names;  // of those that run, by process id
  std::vector<ChildEvent> events;
};

std::string Yaml(int attention, int experts) {
  return absl::StrCat("node: {attention_workers: ", attention, ", expert_workers: ", experts,
                      ", listen: [\"127.0.0.1:0\"]}\n");
}

class NodeRunTest : public ::testing::Test {
 protected:
  NodeRunTest() {
    for (const char* program : {"attention_worker", "expert_worker", "sextant"}) {
      dir_.Write(program, "");
      std::filesystem::permissions(dir_.File(program), std::filesystem::perms::owner_all);
    }
  }

  // Runs until `script` has asked it to stop and all are gone.
  void Run(const std::string& text, std::function<void(int wait)> script) {
    runner_.script = std::move(script);
    auto config = ParseConfig(text, "node.yaml");
    ASSERT_TRUE(config.ok()) << config.status();
    config->node.model = "/models/m";
    auto run = NodeRun::Start(
        {.plan = {.config = *config, .program_dir = dir_.path(), .runtime_dir = dir_.path()},
         .config_file = dir_.Write("node.yaml", text),
         .config_text = text,
         .on_ready =
             [this](const std::vector<std::string>& targets) { ready_.push_back(targets); }},
        runner_);
    ASSERT_TRUE(run.ok()) << run.status();
    (*run)->Run();
    EXPECT_EQ(runner_.Running(), "");
  }

  // A file is seen at the second look, and workers act at the next wait.
  static bool IsStep(int wait, int step) { return wait == 5 * step; }

  void Stop() { runner_.events.emplace_back(StopRequested{}); }

  const TempDir dir_;
  ScriptedRunner runner_;
  std::vector<std::vector<std::string>> ready_;
};

TEST_F(NodeRunTest, FollowsTheCountsInItsFile) {
  std::vector<std::string> running;
  Run(Yaml(1, 2), [&](int wait) {
    if (wait % 5 == 4) running.push_back(runner_.Running());
    if (IsStep(wait, 1)) dir_.Write("node.yaml", Yaml(1, 4));
    if (IsStep(wait, 2)) dir_.Write("node.yaml", Yaml(0, 1));
    if (IsStep(wait, 3)) dir_.Write("node.yaml", Yaml(2, 0));
    if (IsStep(wait, 4)) Stop();
  });
  EXPECT_THAT(running,
              ElementsAre("attention_worker-1 expert_worker-1 expert_worker-2",
                          "attention_worker-1 expert_worker-1 expert_worker-2 expert_worker-3 "
                          "expert_worker-4",
                          "expert_worker-1", "attention_worker-1 attention_worker-2"));
  EXPECT_EQ(ready_.size(), 1U);
}

TEST_F(NodeRunTest, WholeWorkersRunAloneAndAsManyAsTheFileSays) {
  const auto yaml = [](int whole) {
    return absl::StrCat("engine: {device: cuda}\nnode: {whole_workers: ", whole,
                        ", listen: [\"127.0.0.1:0\"]}\n");
  };
  std::vector<std::string> running;
  Run(yaml(1), [&](int wait) {
    if (wait % 5 == 4) running.push_back(runner_.Running());
    if (IsStep(wait, 1)) dir_.Write("node.yaml", yaml(2));
    // Two kinds that would take the same GPUs are not taken.
    if (IsStep(wait, 2)) {
      dir_.Write("node.yaml", "node: {whole_workers: 1, attention_workers: 1}\n");
    }
    if (IsStep(wait, 3)) Stop();
  });
  EXPECT_THAT(running, ElementsAre("whole_worker-1", "whole_worker-1 whole_worker-2",
                                   "whole_worker-1 whole_worker-2"));
}

TEST_F(NodeRunTest, TwoKindsOfWorkersForTheSameGpusAreRefused) {
  const std::string text = "node: {whole_workers: 1, colocated_workers: 1}\n";
  auto config = ParseConfig(text, "node.yaml");
  ASSERT_TRUE(config.ok());
  EXPECT_THAT(MessageOf(NodeRun::Start({.plan = {.config = *config, .program_dir = dir_.path()},
                                        .config_file = "node.yaml",
                                        .config_text = text,
                                        .on_ready = {}},
                                       runner_)),
              HasSubstr("the same GPUs, from 0 on"));
}

TEST_F(NodeRunTest, AWrongFileKeepsTheLastGoodCounts) {
  std::vector<std::string> running;
  Run(Yaml(0, 1), [&](int wait) {
    if (wait % 5 == 4) running.push_back(runner_.Running());
    if (IsStep(wait, 1)) dir_.Write("node.yaml", "node: {expert_workers: 65}\n");
    if (IsStep(wait, 2)) std::filesystem::remove(dir_.File("node.yaml"));
    if (IsStep(wait, 3)) dir_.Write("node.yaml", Yaml(0, 2));
    if (IsStep(wait, 4)) Stop();
  });
  EXPECT_THAT(running, ElementsAre("expert_worker-1", "expert_worker-1", "expert_worker-1",
                                   "expert_worker-1 expert_worker-2"));
}

TEST_F(NodeRunTest, AnIdleNodeIsReady) {
  Run(Yaml(0, 0), [&](int wait) {
    if (wait == 1) Stop();
  });
  EXPECT_EQ(ready_.size(), 1U);
}

TEST_F(NodeRunTest, OneThatDiesIsStartedAgain) {
  Run(Yaml(0, 1), [&](int wait) {
    if (wait == 2) {
      runner_.names.erase(1);
      runner_.events.emplace_back(ChildExited{.pid = 1, .status = -SIGKILL});
    }
    if (wait > 2 && runner_.Running() == "expert_worker-1") Stop();
  });
  EXPECT_EQ(runner_.next_pid, 3);
}

TEST_F(NodeRunTest, AnAddressThatIsTakenIsNamed) {
  const std::string text = "node: {listen: [\"127.0.0.1:1x\"]}\n";
  auto config = ParseConfig(text, "node.yaml");
  ASSERT_TRUE(config.ok());
  EXPECT_THAT(MessageOf(NodeRun::Start({.plan = {.config = *config, .program_dir = dir_.path()},
                                        .config_file = "node.yaml",
                                        .config_text = text,
                                        .on_ready = nullptr},
                                       runner_)),
              HasSubstr("127.0.0.1:1x"));
}

}  // namespace
}  // namespace sextant::cli
