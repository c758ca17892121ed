#include "router/program/live_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/temp_dir.h"

namespace sextant::router {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kFirst[] = "router: {replicated_experts: 2, queue: 8}\n";

class LiveSettingsTest : public ::testing::Test {
 protected:
  LiveSettingsTest()
      : settings_(
            {.path = dir_.Write("router.yaml", kFirst),
             .text = kFirst,
             .read = [](absl::string_view text) { return ParseConfig(text, "router.yaml"); },
             .apply = [this](const PlacementSettings& settings) { applied_.push_back(settings); }},
            *ParseConfig(kFirst, "router.yaml"), metrics_, log_) {}

  // What the log says about it: one line for each event.
  std::vector<std::string> Write(const std::string& text) {
    dir_.Write("router.yaml", text);
    return Poll();
  }
  // A file is seen at the second look.
  std::vector<std::string> Poll() {
    lines_.clear();
    for (int i = 0; i < 3; ++i) settings_.Poll();
    return lines_;
  }

  double Waiting() { return metrics_.AddGauge(kRouterSettingsWaiting).Value(); }
  double IsValid() { return metrics_.AddGauge(kRouterConfigValid).Value(); }

  const TempDir dir_;
  Metrics metrics_;
  std::vector<std::string> lines_;
  const Logger log_{"router", LogLevel::kInfo,
                    [this](absl::string_view line) { lines_.emplace_back(line); }};
  std::vector<PlacementSettings> applied_;
  LiveSettings settings_;
};

TEST_F(LiveSettingsTest, AFileThatStaysIsNoNews) {
  EXPECT_THAT(Poll(), IsEmpty());
  EXPECT_THAT(applied_, IsEmpty());
  EXPECT_EQ(IsValid(), 1);
}

TEST_F(LiveSettingsTest, PlacementIsAppliedAndSaid) {
  EXPECT_THAT(
      Write("router: {replicated_experts: 5, spare_experts: 1, rebalance: true, queue: 8}\n"),
      ElementsAre(HasSubstr("INFO router: a setting has changed key=router.rebalance before=false "
                            "now=true"),
                  HasSubstr("key=router.spare_experts before=0 now=1"),
                  HasSubstr("key=router.replicated_experts before=2 now=5")));
  EXPECT_THAT(applied_, ElementsAre(PlacementSettings{
                            .auto_rebalance = true, .spare_slots = 1, .replicas = 5}));
  EXPECT_THAT(Write("router: {replicated_experts: 0, spare_experts: 1, rebalance: true, queue: 8}"),
              ElementsAre(HasSubstr("key=router.replicated_experts before=5 now=0")));
  EXPECT_EQ(applied_.size(), 2U);
}

TEST_F(LiveSettingsTest, WhatNeedsARestartIsRefusedByNameAndTheRestIsApplied) {
  EXPECT_THAT(Write("router: {replicated_experts: 3, queue: 9}\n"),
              ElementsAre(AllOf(HasSubstr("ERROR router: "), HasSubstr("restart the router"),
                                HasSubstr("key=router.queue in_force=8 in_file=9")),
                          HasSubstr("key=router.replicated_experts before=2 now=3")));
  EXPECT_THAT(applied_, ElementsAre(PlacementSettings{.replicas = 3}));
  EXPECT_EQ(Waiting(), 1);
  // It is not in force by having been refused once.
  EXPECT_THAT(
      Write("router: {replicated_experts: 4, queue: 9}\n"),
      ElementsAre(HasSubstr("key=router.queue in_force=8 in_file=9"), HasSubstr("before=3 now=4")));
  EXPECT_THAT(Write("router: {replicated_experts: 4, queue: 8}\n"),
              ElementsAre(HasSubstr("no setting of the router")));
  EXPECT_EQ(Waiting(), 0);
}

TEST_F(LiveSettingsTest, AWrongFileIsNotTakenAtAll) {
  EXPECT_THAT(Write("router:\n  replicated_experts: 5\n  spare_experts: 65\n"),
              ElementsAre(AllOf(HasSubstr("ERROR router: "),
                                HasSubstr("router.yaml:3: router.spare_experts must be"))));
  EXPECT_EQ(IsValid(), 0);
  EXPECT_THAT(Write("router:\n  replicas: 5\n"),
              ElementsAre(HasSubstr("router.yaml:2: router.replicas is not a known key")));
  std::filesystem::remove(dir_.File("router.yaml"));
  EXPECT_THAT(Poll(), ElementsAre(HasSubstr(dir_.File("router.yaml"))));
  EXPECT_THAT(applied_, IsEmpty());
  EXPECT_THAT(Write("router: {replicated_experts: 5, queue: 8}\n"),
              ElementsAre(HasSubstr("key=router.replicated_experts before=2 now=5")));
  EXPECT_THAT(applied_, ElementsAre(PlacementSettings{.replicas = 5}));
  EXPECT_EQ(IsValid(), 1);
}

TEST_F(LiveSettingsTest, SettingsOfOthersAreNone) {
  EXPECT_THAT(Write("router: {replicated_experts: 2, queue: 8}\nnode: {expert_workers: 7}\n"),
              ElementsAre(AllOf(HasSubstr("INFO"), HasSubstr("no setting of the router"))));
  EXPECT_THAT(applied_, IsEmpty());
}

}  // namespace
}  // namespace sextant::router
