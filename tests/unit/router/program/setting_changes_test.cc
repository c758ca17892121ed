#include "router/program/setting_changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/support/message_of.h"

namespace sextant::router {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Config Parsed(const std::string& text) {
  const auto config = ParseConfig(text, "f.yaml");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.value_or(Config());
}

// The keys of a section, from the error for an unknown one, which lists them.
std::vector<std::string> KnownKeys(const std::string& section) {
  const std::string message = MessageOf(ParseConfig(absl::StrCat(section, ": {x: 1}"), "f.yaml"));
  return absl::StrSplit(message.substr(message.find("known here: ") + 12), ", ");
}

// A value of each key that is not its default; empty: a router does not look at it.
const std::map<std::string, std::string> kOthers = {
    {"router.listen", "[\"[::]:1\"]"},    {"router.queue", "7"},
    {"router.wait_seconds", "7"},         {"router.served_model_name", "m"},
    {"router.admin_port", "7"},           {"router.rebalance", "true"},
    {"router.spare_experts", "7"},        {"router.replicated_experts", "7"},
    {"cluster.whole_workers", ""},        {"cluster.attention_workers", ""},
    {"cluster.colocated_workers", ""},    {"cluster.expert_workers", ""},
    {"cluster.drain_seconds", "7"},       {"cluster.log_level", "error"},
    {"cluster.admin_host", "\"0.0.0.0\""}};

TEST(SettingChanges, NameEachSettingThatARouterReads) {
  for (const std::string section : {"router", "cluster"}) {
    for (const std::string& name : KnownKeys(section)) {
      const std::string key = absl::StrCat(section, ".", name);
      ASSERT_TRUE(kOthers.contains(key)) << key << " is new: does a router read it?";
      const std::string& value = kOthers.at(key);
      if (value.empty()) continue;
      const Config other = Parsed(absl::StrCat(section, ": {", name, ": ", value, "}"));
      const std::vector<SettingChange> changes = ChangesOf(Config(), other);
      ASSERT_EQ(changes.size(), 1U) << key;
      EXPECT_EQ(changes[0].key, key);
      EXPECT_NE(changes[0].before, changes[0].now);
    }
  }
}

TEST(SettingChanges, OnlyPlacementIsLive) {
  std::vector<std::string> live;
  for (const auto& [key, value] : kOthers) {
    if (value.empty()) continue;
    const std::vector<std::string> path = absl::StrSplit(key, '.');
    const Config other = Parsed(absl::StrCat(path[0], ": {", path[1], ": ", value, "}"));
    for (const SettingChange& change : ChangesOf(Config(), other)) {
      if (change.is_live) live.push_back(change.key);
    }
  }
  EXPECT_THAT(live,
              ElementsAre("router.rebalance", "router.replicated_experts", "router.spare_experts"));
}

TEST(SettingChanges, SayFromWhatToWhat) {
  const Config before = Parsed("router: {listen: [\"a:1\", \"b:2\"], rebalance: true}");
  const Config now = Parsed("router: {listen: [\"a:1\"], rebalance: false}");
  EXPECT_THAT(
      ChangesOf(before, now),
      ElementsAre(
          SettingChange{.key = "router.listen", .before = "a:1,b:2", .now = "a:1"},
          SettingChange{
              .key = "router.rebalance", .before = "true", .now = "false", .is_live = true}));
  EXPECT_THAT(ChangesOf(now, now), IsEmpty());
}

TEST(SettingChanges, WhatOtherProgramsReadIsNone) {
  EXPECT_THAT(ChangesOf(Config(), Parsed("engine: {threads: 7}\nnode: {expert_workers: 7}\n"
                                         "cluster: {attention_workers: 7, expert_workers: 7}\n"
                                         "attention_worker: {max_sequences: 7}\n"
                                         "expert_worker: {admin_port: 7}\n")),
              IsEmpty());
}

}  // namespace
}  // namespace sextant::router
