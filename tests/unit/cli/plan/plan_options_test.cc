#include "cli/plan/plan_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace sextant::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

PlanOptions Lite(const char* card) {
  PlanOptions options;
  options.model = SEXTANT_V2_LITE;
  options.card = card;
  return options;
}

TEST(ReadPlanOptions, OneCardHasEveryRole) {
  const PlanRequest request = ReadPlanOptions(Lite("a100-40g")).value();
  EXPECT_EQ(request.cluster.form, Form::kOne);
  EXPECT_EQ(request.cluster.ranks.size(), 1U);
  EXPECT_EQ(request.cluster.hop_s, 0);
  EXPECT_EQ(request.cluster.card.read_bytes_per_s, 1.555e12);
  EXPECT_EQ(request.model.num_hidden_layers, 27);
  EXPECT_EQ(request.reserve_bytes, 1 << 30);
}

TEST(ReadPlanOptions, FlagsAreLaidOverTheCard) {
  PlanOptions options = Lite("h100");
  options.memory = "94GiB";
  options.bandwidth = "3TB/s";
  options.compute = "800TFLOPS";
  options.nvlink = "300GB/s";
  options.gpus = 4;
  options.hop_latency = "5us";
  const Cluster cluster = ReadPlanOptions(options).value().cluster;
  EXPECT_EQ(cluster.card.memory_bytes, std::int64_t{94} << 30);
  EXPECT_EQ(cluster.card.read_bytes_per_s, 3e12);
  EXPECT_EQ(cluster.card.product_flops_per_s, 8e14);
  EXPECT_EQ(cluster.card.link_bytes_per_s, 3e11);
  EXPECT_EQ(cluster.form, Form::kColocated);
  EXPECT_EQ(cluster.hop_s, 5e-6);
}

TEST(ReadPlanOptions, WhatWasMeasuredIsLaidOverTheCardAndUnderTheFlags) {
  PlanOptions options = Lite("h100");
  options.measured = {.name = "H100, measured",
                      .memory_bytes = std::int64_t{79} << 30,
                      .read_bytes_per_s = 3.1e12,
                      .product_flops_per_s = 7e14};
  options.compute = "600TFLOPS";
  options.gpus = 2;
  const Card card = ReadPlanOptions(options).value().cluster.card;
  EXPECT_EQ(card.name, "H100, measured");
  EXPECT_EQ(card.memory_bytes, std::int64_t{79} << 30);
  EXPECT_EQ(card.read_bytes_per_s, 3.1e12);
  EXPECT_EQ(card.product_flops_per_s, 6e14);
  EXPECT_EQ(card.link_bytes_per_s, 450e9);

  options.card.reset();
  EXPECT_THAT(ReadPlanOptions(options).status().message(), HasSubstr("--nvlink is missing"));
}

TEST(ReadPlanOptions, ACardMayBeGivenByNumbersAlone) {
  PlanOptions options = Lite("h100");
  options.card.reset();
  options.memory = "24GiB";
  options.bandwidth = "1TB/s";
  options.compute = "165TFLOPS";
  EXPECT_EQ(ReadPlanOptions(options).value().cluster.card.name, "custom");
}

TEST(ReadPlanOptions, SeveralNodesHopFurther) {
  PlanOptions options = Lite("h100");
  options.gpus = 16;
  options.network = "50GB/s";
  const Cluster cluster = ReadPlanOptions(options).value().cluster;
  EXPECT_EQ(cluster.ranks.back().node, 1);
  EXPECT_EQ(cluster.hop_s, 20e-6);
  options.gpus = 8;
  EXPECT_EQ(ReadPlanOptions(options).value().cluster.hop_s, 10e-6);
}

TEST(ReadPlanOptions, CountsOfKindsMeanApart) {
  PlanOptions options = Lite("h100");
  options.attention = 2;
  options.experts = 6;
  const Cluster cluster = ReadPlanOptions(options).value().cluster;
  EXPECT_EQ(cluster.form, Form::kApart);
  EXPECT_EQ(cluster.AttentionRanks(), 2);
  EXPECT_EQ(cluster.ranks.size(), 8U);
  EXPECT_EQ(cluster.MostExperts(), 11);  // 64 over 6
}

struct Mistake {
  std::function<void(PlanOptions&)> make;
  const char* message;  // how it starts
};

TEST(ReadPlanOptions, MistakesNameTheFlagAndWhatItMayBe) {
  const std::vector<Mistake> mistakes = {
      {[](PlanOptions& o) { o.card = "h1000"; }, "--card: \"h1000\" is not a known card; use"},
      {[](PlanOptions& o) { o.card.reset(); }, "--memory is missing"},
      {[](PlanOptions& o) { o.memory = "much"; }, "--memory: \"much\" is not a size"},
      {[](PlanOptions& o) { o.memory = "0"; }, "--memory: \"0\": give a size above 0"},
      {[](PlanOptions& o) { o.bandwidth = "400Gb/s"; }, "--bandwidth: \"400Gb/s\" is not a rate"},
      {[](PlanOptions& o) { o.compute = "989"; }, "--compute: \"989\" is not a rate"},
      {[](PlanOptions& o) { o.gpus = 0; }, "--gpus 0: give a number from 1 to 1024"},
      {[](PlanOptions& o) { o.gpus = 65; }, "--gpus 65: the model's 64 experts"},
      {[](PlanOptions& o) { o.gpus_per_node = 0; }, "--gpus-per-node 0: give a number from 1"},
      {[](PlanOptions& o) { o.gpus = 16; }, "--network is missing: 16 GPUs are more than the 8"},
      {[](PlanOptions& o) { o.form = "both"; }, "--form \"both\": use one, colocated or apart"},
      {[](PlanOptions& o) { o.form = "apart"; }, "--form apart: say how many GPUs do what"},
      {[](PlanOptions& o) {
         o.experts = 65;
         o.attention = 1;
       },
       "--experts 65: give a number from"},
      {[](PlanOptions& o) { o.attention = 1; }, "--form apart: say how many"},
      {[](PlanOptions& o) {
         o.form = "one";
         o.attention = 1;
       },
       "--attention and --experts belong"},
      {[](PlanOptions& o) {
         o.gpus = 3;
         o.attention = 1;
         o.experts = 1;
       },
       "--gpus 3: --attention"},
      {[](PlanOptions& o) {
         o.gpus = 2;
         o.form = "one";
       },
       "--gpus 2: --form one has 1"},
      {[](PlanOptions& o) {
         o.batches = {1, 0};
       },
       "--batch 0: give a number from 1 to"},
      {[](PlanOptions& o) { o.context = 0; }, "--context 0: give a number from 1 to 163840"},
      {[](PlanOptions& o) { o.prompt = 163841; }, "--prompt 163841: give a number from 0 to"},
      {[](PlanOptions& o) { o.efficiency = 0; }, "--efficiency 0: give a share above 0"},
      {[](PlanOptions& o) { o.efficiency = 1.1; }, "--efficiency 1.1: give a share"},
      {[](PlanOptions& o) {
         o.gpus = 2;
         o.hop_latency = "-1us";
       },
       "--hop-latency: \"-1us\""},
      {[](PlanOptions& o) { o.reserve = "some"; }, "--reserve: \"some\" is not a size"}};
  for (const Mistake& mistake : mistakes) {
    PlanOptions options = Lite("h100");
    mistake.make(options);
    const auto request = ReadPlanOptions(options);
    ASSERT_FALSE(request.ok()) << mistake.message;
    EXPECT_EQ(request.status().code(), absl::StatusCode::kInvalidArgument) << mistake.message;
    EXPECT_THAT(std::string(request.status().message()), StartsWith(mistake.message));
  }
}

TEST(ReadPlanOptions, TheLinkOfSeveralGpusMustBeKnown) {
  PlanOptions options = Lite("h100");
  options.card.reset();
  options.memory = "24GiB";
  options.bandwidth = "1TB/s";
  options.compute = "165TFLOPS";
  options.gpus = 2;
  EXPECT_THAT(std::string(ReadPlanOptions(options).status().message()),
              HasSubstr("--nvlink is missing"));
}

TEST(ReadPlanOptions, AFolderWithoutConfigSaysSo) {
  PlanOptions options = Lite("h100");
  options.model = "/nowhere/at/all";
  EXPECT_THAT(std::string(ReadPlanOptions(options).status().message()),
              HasSubstr("/nowhere/at/all"));
}

}  // namespace
}  // namespace sextant::cli
