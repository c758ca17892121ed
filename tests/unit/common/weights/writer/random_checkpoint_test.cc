#include "common/weights/writer/random_checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "common/config/model_config.h"
#include "common/tensor/float_types.h"
#include "common/weights/checkpoint.h"
#include "common/weights/model_tensors.h"
#include "tests/support/message_of.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/common/config/config_text.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

bool GoOn(std::int64_t, std::int64_t) { return true; }

std::vector<std::string> FilesIn(const std::string& dir) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

class RandomCheckpointTest : public ::testing::Test {
 protected:
  RandomCheckpointTest() {
    std::filesystem::create_directory(dir_.File("in"));
    std::filesystem::create_directory(dir_.File("out"));
    args_.config_path = dir_.Write("in/config.json", SmallConfig().dump());
    args_.output_dir = dir_.File("out/model");
  }

  // Writes to out/NAME and opens it, checked against the config.
  Checkpoint Make(const std::string& name) {
    args_.output_dir = dir_.File("out/" + name);
    EXPECT_EQ(WriteRandomCheckpoint(args_, GoOn), absl::OkStatus());
    auto checkpoint = Checkpoint::Open(args_.output_dir);
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
    const auto config = ReadModelConfig(args_.output_dir);
    EXPECT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(CheckModelTensors(*checkpoint, *config), absl::OkStatus());
    return *std::move(checkpoint);
  }

  const TempDir dir_;
  RandomCheckpointArgs args_;
};

bool SameBytes(const Checkpoint& a, const Checkpoint& b, const ModelTensor& tensor) {
  const auto first = a.Find(tensor.name, tensor.shape);
  const auto second = b.Find(tensor.name, tensor.shape);
  return first.ok() && second.ok() && first->bytes == second->bytes &&
         std::memcmp(first->data, second->data, first->bytes) == 0;
}

TEST_F(RandomCheckpointTest, ShardsAndThreadsDoNotChangeAByte) {
  const Checkpoint whole = Make("whole");
  EXPECT_THAT(FilesIn(args_.output_dir), UnorderedElementsAre("config.json", "model.safetensors"));
  args_.max_shard_bytes = 20000;
  args_.threads = 3;
  const Checkpoint sharded = Make("sharded");
  EXPECT_GT(FilesIn(args_.output_dir).size(), 3U);
  EXPECT_TRUE(std::filesystem::exists(args_.output_dir + "/model.safetensors.index.json"));
  args_.seed = 1;
  const Checkpoint other = Make("other");
  const auto tensors = ListModelTensors(*ReadModelConfig(args_.output_dir));
  for (const ModelTensor& tensor : tensors) {
    EXPECT_TRUE(SameBytes(whole, sharded, tensor)) << tensor.name;
    EXPECT_FALSE(SameBytes(whole, other, tensor)) << tensor.name;
  }
}

TEST_F(RandomCheckpointTest, OtherElementTypesHoldTheSameValues) {
  const Checkpoint bf16 = Make("bf16");
  const auto view16 = bf16.Find("model.embed_tokens.weight", {50, 32});
  ASSERT_TRUE(view16.ok());
  for (const auto& [name, dtype] :
       {std::pair("float32", DType::kFp32), {"float16", DType::kFp16}}) {
    nlohmann::json config = SmallConfig();
    config["torch_dtype"] = name;
    dir_.Write("in/config.json", config.dump());
    const Checkpoint other = Make(name);
    const auto view = other.Find("model.embed_tokens.weight", {50, 32});
    ASSERT_TRUE(view.ok());
    EXPECT_EQ(view->dtype, dtype);
    for (int i = 0; i < 50 * 32; ++i) {
      const float expected = ToFloat(static_cast<const Bf16*>(view16->data)[i]);
      const float found = dtype == DType::kFp32 ? static_cast<const float*>(view->data)[i]
                                                : ToFloat(static_cast<const Fp16*>(view->data)[i]);
      // fp16 has more mantissa than bf16; only below 2^-14 does it round.
      EXPECT_NEAR(found, expected, dtype == DType::kFp32 ? 0 : std::ldexp(1.0, -25));
    }
  }
}

TEST_F(RandomCheckpointTest, ScalesFollowTheRoles) {
  const Checkpoint checkpoint = Make("scaled");
  const auto config = ReadModelConfig(args_.output_dir);
  for (const ModelTensor& tensor : ListModelTensors(*config)) {
    const auto view = checkpoint.Find(tensor.name, tensor.shape);
    ASSERT_TRUE(view.ok()) << view.status();
    const auto count = static_cast<std::int64_t>(view->bytes / sizeof(Bf16));
    double squares = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      const double value = ToFloat(static_cast<const Bf16*>(view->data)[i]);
      squares += value * value;
    }
    double variance = 1.0 / static_cast<double>(tensor.shape.back());
    if (tensor.role == TensorRole::kNorm) variance = 1.01;
    if (tensor.role == TensorRole::kEmbedding) variance = 1.0;
    if (tensor.role == TensorRole::kResidual) variance /= 2 * 3;
    const double share = squares / static_cast<double>(count) / variance;
    EXPECT_NEAR(share, 1, 5 * std::sqrt(2.0 / static_cast<double>(count)) + 0.01) << tensor.name;
  }
}

TEST_F(RandomCheckpointTest, TokenizerFilesAreCopied) {
  args_.tokenizer_dir = dir_.File("in");
  EXPECT_THAT(MessageOf(WriteRandomCheckpoint(args_, GoOn)), HasSubstr("in/tokenizer.json"));
  EXPECT_THAT(FilesIn(dir_.File("out")), IsEmpty());
  dir_.Write("in/tokenizer.json", "{}");
  dir_.Write("in/tokenizer_config.json", "{}");
  Make("model");
  EXPECT_THAT(FilesIn(args_.output_dir),
              UnorderedElementsAre("config.json", "model.safetensors", "tokenizer.json",
                                   "tokenizer_config.json"));
}

TEST_F(RandomCheckpointTest, AnExistingFolderIsReplacedOnlyWhenAsked) {
  Make("model");
  EXPECT_THAT(MessageOf(WriteRandomCheckpoint(args_, GoOn)), HasSubstr("is not empty"));
  args_.replace = Replace::kCheckpoint;
  args_.max_shard_bytes = 20000;
  EXPECT_EQ(WriteRandomCheckpoint(args_, GoOn), absl::OkStatus());
  EXPECT_FALSE(std::filesystem::exists(args_.output_dir + "/model.safetensors"));
  EXPECT_THAT(FilesIn(dir_.File("out")), UnorderedElementsAre("model"));
  dir_.Write("out/model/notes.txt", "mine");
  EXPECT_THAT(MessageOf(WriteRandomCheckpoint(args_, GoOn)), HasSubstr("holds notes.txt"));
  EXPECT_EQ(ReadWholeFile(dir_.File("out/model/notes.txt")), "mine");
}

TEST_F(RandomCheckpointTest, AnEmptyFolderIsFilled) {
  std::filesystem::create_directory(args_.output_dir);
  EXPECT_EQ(WriteRandomCheckpoint(args_, GoOn), absl::OkStatus());
  EXPECT_TRUE(Checkpoint::Open(args_.output_dir + "/").ok());
}

TEST_F(RandomCheckpointTest, FailuresLeaveNothingBehind) {
  EXPECT_THAT(MessageOf(WriteRandomCheckpoint(args_, [](auto, auto) { return false; })),
              HasSubstr("nothing was written"));
  EXPECT_THAT(FilesIn(dir_.File("out")), IsEmpty());

  dir_.Write("in/config.json", "{}");
  EXPECT_THAT(MessageOf(WriteRandomCheckpoint(args_, GoOn)), HasSubstr("model_type is missing"));
  EXPECT_THAT(FilesIn(dir_.File("out")), IsEmpty());

  nlohmann::json huge = SmallConfig();  // some petabytes
  for (const char* key : {"hidden_size", "intermediate_size", "moe_intermediate_size"}) {
    huge[key] = 1 << 20;
  }
  huge["n_routed_experts"] = 1024;
  dir_.Write("in/config.json", huge.dump());
  EXPECT_EQ(WriteRandomCheckpoint(args_, GoOn).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(FilesIn(dir_.File("out")), IsEmpty());
}

TEST_F(RandomCheckpointTest, FoldersThatCannotBeWrittenSayWhatToDo) {
  args_.output_dir = dir_.File("none/model");
  EXPECT_THAT(MessageOf(WriteRandomCheckpoint(args_, GoOn)), HasSubstr("none does not exist"));
  args_.output_dir = dir_.File("in/config.json");
  EXPECT_THAT(MessageOf(WriteRandomCheckpoint(args_, GoOn)), HasSubstr("is not a folder"));
  args_.output_dir = "/proc/sextant-model";  // refuses even root
  EXPECT_THAT(MessageOf(WriteRandomCheckpoint(args_, GoOn)),
              HasSubstr("choose a folder that you may write to"));
}

}  // namespace
}  // namespace sextant
