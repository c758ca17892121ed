#include "common/weights/fingerprint.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "common/config/model_config.h"

namespace sextant {
namespace {

const char* const kModel = SEXTANT_SOURCE_DIR "/tests/golden/model/lite";

TEST(FingerprintTest, IsTheSameEveryTimeAndOnEveryMachine) {
  const auto config = ReadModelConfig(kModel);
  const auto checkpoint = Checkpoint::Open(kModel);
  ASSERT_TRUE(config.ok() && checkpoint.ok());
  const auto fingerprint = Fingerprint(*config, *checkpoint);
  ASSERT_TRUE(fingerprint.ok()) << fingerprint.status();
  EXPECT_EQ(*fingerprint, "d66b1a099d226a53");
}

TEST(FingerprintTest, ChangesWithEverythingThatTheMathematicsUse) {
  const auto original = ReadModelConfig(kModel);
  const auto checkpoint = Checkpoint::Open(kModel);
  ASSERT_TRUE(original.ok() && checkpoint.ok());
  const std::string fingerprint = *Fingerprint(*original, *checkpoint);
  const std::function<void(ModelConfig&)> changes[] = {
      [](ModelConfig& config) { config.rope_theta += 1; },
      [](ModelConfig& config) { config.rms_norm_eps *= 2; },
      [](ModelConfig& config) { config.routed_scaling_factor += 1; },
      [](ModelConfig& config) { config.norm_topk_prob = !config.norm_topk_prob; },
      [](ModelConfig& config) { config.num_experts_per_tok -= 1; },
      [](ModelConfig& config) {
        config.rope_scaling = config.rope_scaling ? std::nullopt : std::optional(YarnScaling());
      },
  };
  for (const auto& change : changes) {
    ModelConfig config = *original;
    change(config);
    const auto changed = Fingerprint(config, *checkpoint);
    ASSERT_TRUE(changed.ok()) << changed.status();
    EXPECT_NE(*changed, fingerprint);
  }
}

TEST(FingerprintTest, DoesNotChangeWithWhatTheyDoNot) {
  auto config = ReadModelConfig(kModel);
  const auto checkpoint = Checkpoint::Open(kModel);
  ASSERT_TRUE(config.ok() && checkpoint.ok());
  const std::string fingerprint = *Fingerprint(*config, *checkpoint);
  config->eos_token_ids = {1, 2, 3};
  EXPECT_EQ(*Fingerprint(*config, *checkpoint), fingerprint);
}

TEST(FingerprintTest, CheckpointOfAnotherConfigIsAnError) {
  auto config = ReadModelConfig(kModel);
  const auto checkpoint = Checkpoint::Open(kModel);
  ASSERT_TRUE(config.ok() && checkpoint.ok());
  config->num_hidden_layers += 1;
  EXPECT_EQ(Fingerprint(*config, *checkpoint).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace sextant
