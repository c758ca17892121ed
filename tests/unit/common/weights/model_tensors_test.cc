#include "common/weights/model_tensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "absl/strings/str_join.h"
#include "common/config/model_config.h"
#include "tests/support/message_of.h"
#include "tests/support/shared_data.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/common/config/config_text.h"
#include "tests/unit/common/weights/safetensors_bytes.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;

std::map<std::string, std::string> ShapesOf(const ModelConfig& config) {
  std::map<std::string, std::string> shapes;
  for (const ModelTensor& tensor : ListModelTensors(config)) {
    EXPECT_TRUE(shapes.emplace(tensor.name, absl::StrJoin(tensor.shape, "x")).second)
        << tensor.name;
  }
  return shapes;
}

TEST(ModelTensors, QueriesMayGoThroughALatent) {
  nlohmann::json document = SmallConfig();
  document["q_lora_rank"] = 20;
  const auto shapes = ShapesOf(*ParseModelConfig(document.dump(), "c"));
  EXPECT_EQ(shapes.count("model.layers.0.self_attn.q_proj.weight"), 0U);
  EXPECT_EQ(shapes.at("model.layers.0.self_attn.q_a_proj.weight"), "20x32");
  EXPECT_EQ(shapes.at("model.layers.0.self_attn.q_a_layernorm.weight"), "20");
  EXPECT_EQ(shapes.at("model.layers.0.self_attn.q_b_proj.weight"), "24x20");
}

TEST(ModelTensors, TiedModelsHaveNoHeadAndSomeHaveNoSharedExperts) {
  nlohmann::json document = SmallConfig();
  document["tie_word_embeddings"] = true;
  document["n_shared_experts"] = nullptr;
  const auto shapes = ShapesOf(*ParseModelConfig(document.dump(), "c"));
  EXPECT_EQ(shapes.count("lm_head.weight"), 0U);
  EXPECT_EQ(shapes.count("model.layers.1.mlp.shared_experts.up_proj.weight"), 0U);
  EXPECT_EQ(shapes.at("model.layers.1.mlp.experts.7.down_proj.weight"), "32x12");
}

TEST(ModelTensors, ListIsThatOfThePublishedManifest) {
  const std::string manifest = SharedData("model/tensor_manifest.tsv");
  SEXTANT_SKIP_WITHOUT_SHARED(manifest);
  std::map<std::string, std::string> expected;
  std::ifstream file(manifest);
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string name, dtype, shape;
    fields >> name >> dtype >> shape;
    expected[name] = shape;
  }
  const auto config = ReadModelConfig(SharedData("model/config.json"));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(ShapesOf(*config), expected);
  EXPECT_EQ(expected.size(), 5291U);
}

TEST(ModelTensors, GoldenModelsMatchTheirConfigs) {
  const std::string golden = SharedData("model/golden");
  SEXTANT_SKIP_WITHOUT_SHARED(golden);
  for (const char* model : {"/lite", "/v2"}) {
    const auto checkpoint = Checkpoint::Open(golden + model);
    auto config = ReadModelConfig(golden + model);
    ASSERT_TRUE(checkpoint.ok() && config.ok());
    EXPECT_EQ(CheckModelTensors(*checkpoint, *config), absl::OkStatus());
    config->num_hidden_layers -= 1;
    EXPECT_THAT(MessageOf(CheckModelTensors(*checkpoint, *config)),
                HasSubstr("which config.json has no place for"));
    config->num_hidden_layers += 2;
    EXPECT_EQ(CheckModelTensors(*checkpoint, *config).code(), absl::StatusCode::kNotFound);
  }
}

}  // namespace
}  // namespace sextant
