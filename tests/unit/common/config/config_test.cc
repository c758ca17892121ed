#include "common/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/file.h"
#include "tests/support/message_of.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string ExamplePath() { return std::string(SEXTANT_SOURCE_DIR) + "/docs/example.yaml"; }

// The keys of a section ("": the sections), from the error for an unknown one, which lists them.
std::vector<std::string> KnownKeys(const std::string& section) {
  const std::string text = section.empty() ? "x: 1" : absl::StrCat(section, ": {x: 1}");
  const std::string message = MessageOf(ParseConfig(text, "f.yaml"));
  return absl::StrSplit(message.substr(message.find("known here: ") + 12), ", ");
}

TEST(Config, TheExampleFileHoldsEveryDefault) {
  const auto example = ReadConfig(ExamplePath());
  ASSERT_TRUE(example.ok()) << example.status();
  const Config defaults;
  EXPECT_EQ(example->engine.threads, defaults.engine.threads);
  EXPECT_EQ(example->engine.dtype, defaults.engine.dtype);
  EXPECT_EQ(example->engine.cache_tokens, defaults.engine.cache_tokens);
  EXPECT_EQ(example->engine.max_batch_tokens, defaults.engine.max_batch_tokens);
  EXPECT_EQ(example->router.listen, defaults.router.listen);
  EXPECT_EQ(example->router.queue, defaults.router.queue);
  EXPECT_EQ(example->router.wait_seconds, defaults.router.wait_seconds);
  EXPECT_EQ(example->router.served_model_name, defaults.router.served_model_name);
  EXPECT_EQ(example->router.admin_port, defaults.router.admin_port);
  EXPECT_EQ(example->attention_worker.listen, defaults.attention_worker.listen);
  EXPECT_EQ(example->attention_worker.max_sequences, defaults.attention_worker.max_sequences);
  EXPECT_EQ(example->attention_worker.prefix_cache, defaults.attention_worker.prefix_cache);
  EXPECT_EQ(example->attention_worker.admin_port, defaults.attention_worker.admin_port);
  EXPECT_EQ(example->expert_worker.listen, defaults.expert_worker.listen);
  EXPECT_EQ(example->expert_worker.admin_port, defaults.expert_worker.admin_port);
  EXPECT_EQ(example->cluster.whole_workers, defaults.cluster.whole_workers);
  EXPECT_EQ(example->cluster.attention_workers, defaults.cluster.attention_workers);
  EXPECT_EQ(example->cluster.expert_workers, defaults.cluster.expert_workers);
  EXPECT_EQ(example->cluster.drain_seconds, defaults.cluster.drain_seconds);
  EXPECT_EQ(example->cluster.log_level, defaults.cluster.log_level);
  EXPECT_EQ(*example, defaults);  // and whatever has come since
}

TEST(Config, TheExampleFileNamesEveryKey) {
  const auto text = ReadFile(ExamplePath(), 1 << 20);
  ASSERT_TRUE(text.ok()) << text.status();
  for (const std::string& section : KnownKeys("")) {
    const std::size_t begin = absl::StrCat("\n", *text).find(absl::StrCat("\n", section, ":"));
    ASSERT_NE(begin, std::string::npos) << section;
    std::string body = text->substr(begin);
    std::size_t end = body.find('\n');
    while (end + 1 < body.size() && body[end + 1] == ' ') end = body.find('\n', end + 1);
    body.resize(end);
    for (const std::string& key : KnownKeys(section)) {
      EXPECT_THAT(body, HasSubstr(absl::StrCat("\n  ", key, ": ")));
    }
  }
}

TEST(Config, ThePageExplainsEveryKey) {
  const auto page = ReadFile(std::string(SEXTANT_SOURCE_DIR) + "/docs/configuration.md", 1 << 20);
  ASSERT_TRUE(page.ok()) << page.status();
  for (const std::string& section : KnownKeys("")) {
    const std::size_t begin = page->find(absl::StrCat("\n## `", section, "`\n"));
    ASSERT_NE(begin, std::string::npos) << section;
    const std::string body = page->substr(begin + 1, page->find("\n## ", begin + 1) - begin);
    for (const std::string& key : KnownKeys(section)) {
      EXPECT_THAT(body, HasSubstr(absl::StrCat("\n| `", key, "` |")));
    }
  }
}

TEST(Config, ReadsWhatIsGiven) {
  const auto config = ParseConfig(
      "engine: {threads: 4, dtype: fp32, cache_tokens: 99, max_batch_tokens: 7, device: cpu, "
      "device_memory: 40GiB}\n"
      "router: {listen: [\"[::]:1\", \"unix:/a\"], queue: 3, wait_seconds: 7, "
      "served_model_name: m, admin_port: -1}\n"
      "attention_worker: {listen: [\"a:1\"], max_sequences: 5, prefix_cache: false, admin_port: "
      "9}\n"
      "expert_worker: {listen: [\"b:1\"], admin_port: 8}\n"
      "cluster: {attention_workers: 2, expert_workers: 5, drain_seconds: 0, log_level: error, "
      "admin_host: 0.0.0.0}\n"
      "node: {router: \"r:1\", model: /m, attention_workers: 0, expert_workers: 64, "
      "listen: [\"c:1\"], worker_port: 7200, admin_port: 7, worker_admin_port: -1}\n",
      "f.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->engine.threads, 4);
  EXPECT_EQ(config->engine.dtype, Precision::kFp32);
  EXPECT_EQ(config->engine.cache_tokens, 99);
  EXPECT_EQ(config->engine.max_batch_tokens, 7);
  EXPECT_EQ(config->engine.device, DeviceChoice::kCpu);
  EXPECT_EQ(config->engine.device_memory_bytes, std::int64_t{40} << 30);
  EXPECT_THAT(config->router.listen, ElementsAre("[::]:1", "unix:/a"));
  EXPECT_EQ(config->router.queue, 3);
  EXPECT_EQ(config->router.wait_seconds, 7);
  EXPECT_EQ(config->router.served_model_name, "m");
  EXPECT_EQ(config->router.admin_port, -1);
  EXPECT_THAT(config->attention_worker.listen, ElementsAre("a:1"));
  EXPECT_EQ(config->attention_worker.max_sequences, 5);
  EXPECT_FALSE(config->attention_worker.prefix_cache);
  EXPECT_EQ(config->attention_worker.admin_port, 9);
  EXPECT_THAT(config->expert_worker.listen, ElementsAre("b:1"));
  EXPECT_EQ(config->expert_worker.admin_port, 8);
  EXPECT_EQ(config->cluster.attention_workers, 2);
  EXPECT_EQ(config->cluster.expert_workers, 5);
  EXPECT_EQ(config->cluster.drain_seconds, 0);
  EXPECT_EQ(config->cluster.log_level, LogLevel::kError);
  EXPECT_EQ(config->cluster.admin_host, "0.0.0.0");
  EXPECT_EQ(config->node.router, "r:1");
  EXPECT_EQ(config->node.model, "/m");
  EXPECT_EQ(config->node.attention_workers, 0);
  EXPECT_EQ(config->node.expert_workers, 64);
  EXPECT_THAT(config->node.listen, ElementsAre("c:1"));
  EXPECT_EQ(config->node.worker_port, 7200);
  EXPECT_EQ(config->node.admin_port, 7);
  EXPECT_EQ(config->node.worker_admin_port, -1);
}

TEST(Config, WhatIsOutOfRangeIsNamed) {
  EXPECT_THAT(MessageOf(ParseConfig("engine:\n  threads: -1\n", "f.yaml")),
              StartsWith("f.yaml:2: engine.threads must be an integer from 0 to 1024"));
  EXPECT_THAT(MessageOf(ParseConfig("cluster:\n  expert_workers: 65\n", "f.yaml")),
              StartsWith("f.yaml:2: cluster.expert_workers must be an integer from 0 to 64"));
  EXPECT_THAT(MessageOf(ParseConfig("engine:\n  device: gpu\n", "f.yaml")),
              StartsWith("f.yaml:2: engine.device must be auto or cpu or cuda"));
  EXPECT_THAT(MessageOf(ParseConfig("engine:\n  device_memory: lots\n", "f.yaml")),
              StartsWith("f.yaml:2: engine.device_memory is wrong: \"lots\" is not a size"));
}

TEST(Config, WholeWorkersStandAloneUnlessOthersAreAskedFor) {
  const auto alone = ParseConfig("cluster: {whole_workers: 2}\nnode: {whole_workers: 3}\n", "f");
  ASSERT_TRUE(alone.ok()) << alone.status();
  EXPECT_EQ(alone->cluster.whole_workers, 2);
  EXPECT_EQ(alone->cluster.attention_workers, 0);
  EXPECT_EQ(alone->cluster.expert_workers, 0);
  EXPECT_EQ(alone->node.whole_workers, 3);
  EXPECT_EQ(alone->node.attention_workers, 0);
  EXPECT_EQ(alone->node.expert_workers, 0);
  // In any order.
  const auto beside = ParseConfig(
      "cluster: {attention_workers: 1, expert_workers: 4, whole_workers: 2}\n"
      "node: {expert_workers: 3, whole_workers: 0, attention_workers: 1}\n",
      "f");
  ASSERT_TRUE(beside.ok()) << beside.status();
  EXPECT_EQ(beside->cluster.attention_workers, 1);
  EXPECT_EQ(beside->cluster.expert_workers, 4);
  EXPECT_EQ(beside->node.attention_workers, 1);
  EXPECT_EQ(beside->node.expert_workers, 3);
}

TEST(Config, ColocatedWorkersStandAloneAsWell) {
  const auto config =
      ParseConfig("cluster: {colocated_workers: 8}\nnode: {colocated_workers: 4}\n", "f");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->cluster.colocated_workers, 8);
  EXPECT_EQ(config->cluster.attention_workers + config->cluster.expert_workers, 0);
  EXPECT_EQ(config->node.colocated_workers, 4);
  EXPECT_EQ(config->node.attention_workers + config->node.expert_workers, 0);
}

TEST(Config, ANodeWhoseWholeWorkersAreTakenBackHasNone) {
  const auto none = ParseConfig("node: {whole_workers: 0}\n", "f");
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_EQ(none->node.whole_workers, 0);
  EXPECT_EQ(none->node.attention_workers, 0);
  EXPECT_EQ(none->node.expert_workers, 0);
}

TEST(ClusterConfig, WorkersThatCannotServeAreRefused) {
  const auto check = [](std::int64_t whole, std::int64_t attention, std::int64_t experts) {
    return CheckWorkerCounts(
        {.whole_workers = whole, .attention_workers = attention, .expert_workers = experts});
  };
  EXPECT_TRUE(check(0, 1, 2).ok());
  EXPECT_TRUE(check(1, 0, 0).ok());
  EXPECT_TRUE(check(1, 1, 1).ok());
  EXPECT_THAT(MessageOf(check(1, 1, 0)), HasSubstr("need each other"));
  EXPECT_THAT(MessageOf(check(0, 0, 3)), HasSubstr("0 attention and 3 expert workers"));
  EXPECT_THAT(MessageOf(check(0, 0, 0)), HasSubstr("no workers"));
  EXPECT_TRUE(
      CheckWorkerCounts({.colocated_workers = 2, .attention_workers = 0, .expert_workers = 0})
          .ok());
}

TEST(ClusterConfig, WorkersOfOneHostTakeNoGpuOfEachOther) {
  constexpr DeviceChoice kCuda = DeviceChoice::kCuda;
  EXPECT_TRUE(CheckDevices({.colocated = 8}, DeviceChoice::kAuto).ok());
  EXPECT_TRUE(CheckDevices({.attention = 2, .experts = 6}, kCuda).ok());
  EXPECT_TRUE(CheckDevices({.whole = 1, .attention = 1, .experts = 1}, DeviceChoice::kCpu).ok());
  EXPECT_THAT(MessageOf(CheckDevices({.whole = 1, .attention = 1, .experts = 1}, kCuda)),
              HasSubstr("the same GPUs, from 0 on"));
  EXPECT_THAT(MessageOf(CheckDevices({.whole = 1, .colocated = 1}, kCuda)),
              HasSubstr("the same GPUs, from 0 on"));
  EXPECT_THAT(MessageOf(CheckDevices({.colocated = 1, .experts = 1}, kCuda)),
              HasSubstr("not both on one host"));
}

TEST(EngineConfig, AGpuIsNotForThePrograms) {
  EXPECT_THAT(MessageOf(CheckSplitEngine({.device = DeviceChoice::kCuda})),
              HasSubstr("run `sextant worker`"));
  EXPECT_TRUE(CheckSplitEngine({.device = DeviceChoice::kAuto}).ok());
}

TEST(EngineConfig, AGpuIsNotAskedToComputeInFp32) {
  EXPECT_THAT(MessageOf(CheckEngineConfig({.dtype = Precision::kFp32,  //
                                           .device = DeviceChoice::kCuda})),
              HasSubstr("with device cuda set dtype bf16"));
  EXPECT_TRUE(CheckEngineConfig({.dtype = Precision::kFp32, .device = DeviceChoice::kAuto}).ok());
  EXPECT_TRUE(CheckEngineConfig({.dtype = Precision::kBf16, .device = DeviceChoice::kCuda}).ok());
}

TEST(EngineConfig, DevicesAreSpelledOneWay) {
  EXPECT_EQ(*ParseDeviceChoice("auto"), DeviceChoice::kAuto);
  EXPECT_EQ(*ParseDeviceChoice("cpu"), DeviceChoice::kCpu);
  EXPECT_EQ(*ParseDeviceChoice("cuda"), DeviceChoice::kCuda);
  EXPECT_THAT(MessageOf(ParseDeviceChoice("CUDA").status()), HasSubstr("use auto, cpu or cuda"));
}

}  // namespace
}  // namespace sextant
