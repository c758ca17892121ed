#include "cli/plan/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/support/v2_lite.h"

namespace sextant::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

PlanRequest Apart() {
  PlanRequest request = {.model_name = "some/model",
                         .model = V2LiteConfig(),
                         .batches = {16},
                         .context = 512,
                         .prompt = 128,
                         .efficiency = 0.6,
                         .reserve_bytes = 1 << 30};
  request.cluster = {
      .card = FindCard("h100").value(),
      .form = Form::kApart,
      .ranks = MakeRanks(
          {.form = Form::kApart, .gpus = 4, .gpus_per_node = 4, .attention = 1, .experts = 64}),
      .gpus_per_node = 4,
      .hop_s = 1e-5};
  return request;
}

std::vector<std::string> Keys(const nlohmann::ordered_json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

nlohmann::ordered_json Json(const PlanRequest& request) {
  return nlohmann::ordered_json::parse(PlanAsJson(request, MakePlan(request).value()));
}

// Programs read these: a change of a name is a change of the interface.
TEST(PlanAsJson, HasTheseMembers) {
  const nlohmann::ordered_json plan = Json(Apart());
  EXPECT_THAT(Keys(plan), ElementsAre("model", "card", "cluster", "routing", "efficiency", "gpus",
                                      "cached_tokens", "steps"));
  EXPECT_THAT(Keys(plan["model"]),
              ElementsAre("name", "layers", "experts", "experts_per_token", "parameters", "dtype"));
  EXPECT_THAT(Keys(plan["card"]), ElementsAre("name", "memory_bytes", "read_bytes_per_s",
                                              "product_flops_per_s", "link_bytes_per_s"));
  EXPECT_THAT(Keys(plan["cluster"]),
              ElementsAre("form", "gpus_per_node", "network_bytes_per_s", "hop_s"));
  ASSERT_EQ(plan["gpus"].size(), 4U);
  for (const auto& gpu : plan["gpus"]) {
    EXPECT_THAT(Keys(gpu), ElementsAre("node", "attention", "experts", "attention_weight_bytes",
                                       "expert_weight_bytes", "workspace_bytes", "reserve_bytes",
                                       "cache_bytes", "cached_tokens"));
  }
  ASSERT_EQ(plan["steps"].size(), 2U);
  EXPECT_THAT(Keys(plan["steps"][0]),
              ElementsAre("phase", "sequences", "context_tokens", "floor_s", "weights_s", "cache_s",
                          "products_s", "exchange_s", "hops_s", "bound_by", "expected_s",
                          "tokens_per_s", "tokens_per_s_of_each"));
  EXPECT_EQ(Keys(plan["steps"][1])[2], "prompt_tokens");
}

TEST(PlanAsJson, PartsAddUpToTheFloor) {
  const auto plan = Json(Apart());
  for (const auto& step : plan["steps"]) {
    const double parts = step["weights_s"].get<double>() + step["cache_s"].get<double>() +
                         step["products_s"].get<double>() + step["exchange_s"].get<double>() +
                         step["hops_s"].get<double>();
    EXPECT_NEAR(parts, step["floor_s"].get<double>(), 1e-12);
  }
}

TEST(PlanAsText, JoinsGpusThatHaveTheSame) {
  const PlanRequest request = Apart();
  const std::string text = PlanAsText(request, MakePlan(request).value());
  EXPECT_THAT(text, HasSubstr("some/model: 27 layers, 6 of 64 experts a token, 15.71B parameters"));
  EXPECT_THAT(text, HasSubstr("4 x h100: 80 GiB, reads 3350 GB/s, bf16 989 TFLOP/s; apart, link "
                              "450 GB/s, hop 10 us\n"));
  EXPECT_THAT(text, HasSubstr("\nGPU 0      attention "));
  EXPECT_THAT(text, HasSubstr("\nGPU 1      22 experts"));  // 64 over three
  EXPECT_THAT(text, HasSubstr("\nGPU 2-3    21 experts"));
  EXPECT_THAT(text, HasSubstr("\ndecode, batch 16 "));
  EXPECT_THAT(text, HasSubstr("\nprefill 128 "));
  EXPECT_EQ(text.back(), '\n');
}

}  // namespace
}  // namespace sextant::cli
