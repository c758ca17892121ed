#include "common/weights/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "common/weights/shard_index.h"
#include "tests/support/message_of.h"
#include "tests/support/shared_data.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/common/weights/safetensors_bytes.h"

namespace sextant {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string OneTensor(const std::string& name) {
  return SafetensorsBytes("{\"" + name + R"(":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}})",
                          4);
}

std::string Index(const std::string& weight_map) {
  return R"({"metadata":{"total_size":1},"weight_map":)" + weight_map + "}";
}

// Two shards with "a" and "b", and an index.
void WriteShards(const TempDir& dir) {
  dir.Write("model-00001-of-000002.safetensors", OneTensor("a"));
  dir.Write("model-00002-of-000002.safetensors", OneTensor("b"));
  dir.Write(kIndexFileName, Index(R"({"a":"model-00001-of-000002.safetensors",
                                      "b":"model-00002-of-000002.safetensors"})"));
}

TEST(Checkpoint, FindsTensorsInPlace) {
  const TempDir dir;
  dir.Write("model.safetensors", TwoTensors());
  auto opened = Checkpoint::Open(dir.path());
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_THAT(opened->Names(), ElementsAre("a", "b"));
  EXPECT_EQ(opened->total_bytes(), 20U);
  EXPECT_TRUE(opened->Contains("a"));
  const auto a = opened->Find("a", {2, 3});
  ASSERT_TRUE(a.ok()) << a.status();
  EXPECT_EQ(a->dtype, DType::kBf16);
  EXPECT_EQ(a->bytes, 12U);
  EXPECT_EQ(std::memcmp(a->data, "abcdefghijkl", 12), 0);

  const Checkpoint moved = *std::move(opened);  // views stay valid
  EXPECT_EQ(std::memcmp(a->data, "abcdefghijkl", 12), 0);
  EXPECT_EQ(moved.Find("a", {2, 3})->data, a->data);
}

TEST(Checkpoint, OpensShardsWithAndWithoutTheIndex) {
  const TempDir dir;
  WriteShards(dir);
  for (const bool with_index : {true, false}) {
    if (!with_index) std::filesystem::remove(dir.File(kIndexFileName));
    const auto checkpoint = Checkpoint::Open(dir.path());
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    EXPECT_THAT(checkpoint->Names(), ElementsAre("a", "b"));
  }
}

TEST(Checkpoint, FindNamesWhatDisagrees) {
  const TempDir dir;
  dir.Write("model.safetensors",
            SafetensorsBytes(R"({"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},)"
                             R"("i":{"dtype":"I64","shape":[1],"data_offsets":[12,20]}})",
                             20));
  const auto checkpoint = Checkpoint::Open(dir.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_THAT(MessageOf(checkpoint->Find("a", {3, 2})),
              AllOf(HasSubstr("model.safetensors: tensor \"a\" has shape [2, 3]"),
                    HasSubstr("config.json needs [3, 2]")));
  EXPECT_FALSE(checkpoint->Find("a", {6}).ok());
  EXPECT_THAT(MessageOf(checkpoint->Find("i", {1})), HasSubstr("is of type I64"));
  EXPECT_EQ(checkpoint->Find("c", {1}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(MessageOf(checkpoint->Find("c", {1})), HasSubstr("no file holds tensor \"c\""));
}

TEST(Checkpoint, TensorsAtOddAddressesAreRefused) {
  const TempDir dir;
  std::string json = R"({"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}})";
  if (json.size() % 2 == 0) json += ' ';
  dir.Write("model.safetensors", SafetensorsBytes(json, 4));
  const auto checkpoint = Checkpoint::Open(dir.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_THAT(MessageOf(checkpoint->Find("a", {2})), HasSubstr("odd address"));
}

TEST(Checkpoint, MissingFilesSayWhatToDo) {
  const TempDir dir;
  EXPECT_THAT(MessageOf(Checkpoint::Open(dir.File("none"))), HasSubstr("is not a directory"));
  EXPECT_THAT(MessageOf(Checkpoint::Open(dir.path())), HasSubstr("holds no .safetensors file"));
  WriteShards(dir);
  std::filesystem::remove(dir.File("model-00002-of-000002.safetensors"));
  EXPECT_THAT(MessageOf(Checkpoint::Open(dir.path())),
              HasSubstr("model-00002-of-000002.safetensors: is missing"));
  std::filesystem::remove(dir.File(kIndexFileName));
  EXPECT_THAT(MessageOf(Checkpoint::Open(dir.path())), HasSubstr("is one of 2"));
  EXPECT_EQ(Checkpoint::Open(dir.path()).status().code(), absl::StatusCode::kNotFound);
}

TEST(Checkpoint, TruncatedShardsAreNamed) {
  const TempDir dir;
  WriteShards(dir);
  const std::string path = dir.File("model-00002-of-000002.safetensors");
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 2);
  EXPECT_THAT(MessageOf(Checkpoint::Open(dir.path())),
              AllOf(HasSubstr(path), HasSubstr("truncated"), HasSubstr("copy it again")));
  std::filesystem::resize_file(path, 0);
  EXPECT_THAT(MessageOf(Checkpoint::Open(dir.path())), HasSubstr("too few"));
}

TEST(Checkpoint, IndexAndShardsMustAgree) {
  const TempDir dir;
  WriteShards(dir);
  dir.Write(kIndexFileName, Index(R"({"a":"model-00001-of-000002.safetensors",
    "b":"model-00002-of-000002.safetensors", "c":"model-00002-of-000002.safetensors"})"));
  EXPECT_THAT(MessageOf(Checkpoint::Open(dir.path())), HasSubstr("lacks tensor \"c\""));
  dir.Write("model-00001-of-000002.safetensors", TwoTensors());
  dir.Write(kIndexFileName, Index(R"({"a":"model-00001-of-000002.safetensors"})"));
  EXPECT_THAT(MessageOf(Checkpoint::Open(dir.path())),
              AllOf(HasSubstr("holds tensor \"b\""), HasSubstr("does not name")));
  dir.Write("other.safetensors", OneTensor("c"));
  dir.Write(kIndexFileName, Index(R"({"a":"model-00001-of-000002.safetensors",
    "b":"other.safetensors", "c":"other.safetensors"})"));
  EXPECT_THAT(MessageOf(Checkpoint::Open(dir.path())), HasSubstr("expects in other.safetensors"));
}

TEST(Checkpoint, ATensorInTwoFilesIsRefused) {
  const TempDir dir;
  dir.Write("model.safetensors", OneTensor("a"));
  dir.Write("other.safetensors", OneTensor("a"));
  EXPECT_THAT(MessageOf(Checkpoint::Open(dir.path())),
              AllOf(HasSubstr("other.safetensors: holds tensor \"a\""),
                    HasSubstr("model.safetensors holds too")));
}

TEST(Checkpoint, DirectoriesInPlaceOfFilesAreRefused) {
  const TempDir dir;
  std::filesystem::create_directory(dir.File("model.safetensors"));
  EXPECT_THAT(MessageOf(Checkpoint::Open(dir.path())), HasSubstr("not a regular file"));
}

TEST(ShardIndex, AnythingButAMapToPlainFileNamesIsRefused) {
  for (const char* map :
       {"[]", "5", "null", R"({"a":1})", R"({"a":"../x.safetensors"})", R"({"a":"/x.safetensors"})",
        R"({"a":".safetensors"})", R"({"a":"x.bin"})", R"({"a":""})", "{}"}) {
    EXPECT_EQ(ParseShardIndex(Index(map), "i.json").status().code(),
              absl::StatusCode::kInvalidArgument)
        << map;
  }
  EXPECT_FALSE(ParseShardIndex("{}", "i.json").ok());
  EXPECT_FALSE(ParseShardIndex("[", "i.json").ok());
  EXPECT_THAT(
      MessageOf(ParseShardIndex(Index(R"({"a":"x.safetensors","a":"y.safetensors"})"), "i.json")),
      HasSubstr("\"a\" occurs twice"));
}

TEST(Checkpoint, OpensTheGoldenModels) {
  const std::string golden = SharedData("model/golden");
  SEXTANT_SKIP_WITHOUT_SHARED(golden);
  for (const char* model : {"/lite", "/v2"}) {
    const auto checkpoint = Checkpoint::Open(golden + model);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    EXPECT_TRUE(checkpoint->Find("lm_head.weight", {512, 256}).ok());
  }
}

}  // namespace
}  // namespace sextant
