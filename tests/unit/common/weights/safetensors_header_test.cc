#include "common/weights/safetensors_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/message_of.h"
#include "tests/unit/common/weights/safetensors_bytes.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

absl::StatusOr<std::vector<TensorEntry>> Parse(const std::string& file) {
  return ParseSafetensorsHeader(file, file.size(), "f.safetensors");
}

// The message for one tensor "a" with these fields, in a file with this much data.
std::string ErrorOf(const std::string& fields, std::size_t data_bytes) {
  const auto entries = Parse(SafetensorsBytes("{\"a\":{" + fields + "}}", data_bytes));
  EXPECT_EQ(entries.status().code(), absl::StatusCode::kInvalidArgument) << fields;
  return MessageOf(entries);
}

TEST(SafetensorsHeader, GivesEntriesInTheOrderOfTheirData) {
  const std::string json = R"({"__metadata__":{"format":"pt","x":"y"},)"
                           R"("late":{"shape":[2],"dtype":"F32","data_offsets":[12,20]},)"
                           R"("early":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}}   )";
  const auto entries = Parse(SafetensorsBytes(json, 20));
  ASSERT_TRUE(entries.ok()) << entries.status();
  ASSERT_EQ(entries->size(), 2U);
  EXPECT_EQ((*entries)[0].name, "early");
  EXPECT_EQ((*entries)[0].dtype(), DType::kBf16);
  EXPECT_THAT((*entries)[0].shape, ElementsAre(2, 3));
  EXPECT_EQ((*entries)[0].begin, 8 + json.size());
  EXPECT_EQ((*entries)[0].end, 8 + json.size() + 12);
  EXPECT_EQ((*entries)[1].name, "late");
  EXPECT_EQ((*entries)[1].dtype(), DType::kFp32);
}

TEST(SafetensorsHeader, ScalarsAndEmptyTensorsAreValid) {
  const auto entries = Parse(SafetensorsBytes(
      R"({"empty":{"dtype":"F16","shape":[0,9223372036854775807,2],"data_offsets":[0,0]},)"
      R"("scalar":{"dtype":"F16","shape":[],"data_offsets":[0,2]}})",
      2));
  ASSERT_TRUE(entries.ok()) << entries.status();
  EXPECT_EQ((*entries)[1].dtype(), DType::kFp16);
  EXPECT_TRUE(Parse(SafetensorsBytes("{}", 0)).ok());
}

TEST(SafetensorsHeader, OtherTypesAreListedButCannotBeComputedWith) {
  const auto entries =
      Parse(SafetensorsBytes(R"({"i":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)"
                             R"("n":{"dtype":"F4","shape":[3],"data_offsets":[8,10]}})",
                             10));
  ASSERT_TRUE(entries.ok()) << entries.status();
  EXPECT_FALSE((*entries)[0].dtype().has_value());
  EXPECT_FALSE((*entries)[1].dtype().has_value());
}

TEST(SafetensorsHeader, FilesCutAnywhereAreRefused) {
  const std::string file = TwoTensors();
  ASSERT_TRUE(Parse(file).ok());
  for (std::size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(Parse(file.substr(0, size)).ok()) << size;
  }
  EXPECT_THAT(MessageOf(Parse("abc")), HasSubstr("has 3 bytes, too few"));
  EXPECT_THAT(MessageOf(Parse(file.substr(0, 20))),
              HasSubstr("the file has only 20: it is truncated"));
  EXPECT_THAT(MessageOf(Parse(file.substr(0, file.size() - 1))),
              StartsWith("f.safetensors: tensor \"b\" ends at byte 20 of the data, but the file "
                         "holds only 19: it is truncated"));
}

TEST(SafetensorsHeader, TheLengthIsBounded) {
  std::string file(64, '\xff');
  EXPECT_THAT(MessageOf(Parse(file)), HasSubstr("18446744073709551615 bytes, more than"));
  EXPECT_THAT(MessageOf(ParseSafetensorsHeader(file, ~std::uint64_t{0}, "f")),
              HasSubstr("not a safetensors file"));
}

TEST(SafetensorsHeader, OverlapsHolesAndRestsAreRefused) {
  const auto two = [](const char* first, const char* second) {
    return std::string(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)") + first +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}";
  };
  EXPECT_TRUE(Parse(SafetensorsBytes(two("[0,4]", "[4,8]"), 8)).ok());
  EXPECT_THAT(MessageOf(Parse(SafetensorsBytes(two("[0,4]", "[3,7]"), 8))),
              HasSubstr("\"b\" begins at byte 3 of the data, inside the tensor before it"));
  EXPECT_THAT(MessageOf(Parse(SafetensorsBytes(two("[0,4]", "[0,4]"), 8))), HasSubstr("inside"));
  EXPECT_THAT(MessageOf(Parse(SafetensorsBytes(two("[0,4]", "[5,9]"), 9))),
              HasSubstr("belong to no tensor"));
  EXPECT_THAT(MessageOf(Parse(SafetensorsBytes(two("[1,5]", "[5,9]"), 9))),
              HasSubstr("belong to no tensor"));
  EXPECT_THAT(MessageOf(Parse(SafetensorsBytes(two("[0,4]", "[4,8]"), 11))),
              HasSubstr("3 bytes after its last tensor"));
}

TEST(SafetensorsHeader, ShapesMustMatchTheirData) {
  EXPECT_THAT(ErrorOf(R"("dtype":"BF16","shape":[2,3],"data_offsets":[0,13])", 13),
              HasSubstr("\"a\" has 13 bytes of data, but BF16 [2, 3] needs 12"));
  EXPECT_THAT(ErrorOf(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0])", 0),
              HasSubstr("impossible shape [4294967296, 4294967296]"));
  EXPECT_THAT(ErrorOf(R"("dtype":"U8","shape":[1],"data_offsets":[1,0])", 1),
              HasSubstr("ends at 0, before its begin 1"));
}

TEST(SafetensorsHeader, WrongFormsAreNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {R"("dtype":"U8","shape":[1])", "lacks data_offsets"},
      {R"("shape":[1],"data_offsets":[0,1])", "lacks dtype"},
      {R"("dtype":"U8","data_offsets":[0,1])", "lacks shape"},
      {R"("dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1])", "has dtype twice"},
      {R"("dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1)", "has the unknown field \"x\""},
      {R"("dtype":1,"shape":[1],"data_offsets":[0,1])", "has a number where"},
      {R"("dtype":{},"shape":[1],"data_offsets":[0,1])", "has an object where"},
      {R"("dtype":"U8","shape":1,"data_offsets":[0,1])", "has a number where"},
      {R"("dtype":"U8","shape":["1"],"data_offsets":[0,1])", "has a string where"},
      {R"("dtype":"U8","shape":[[1]],"data_offsets":[0,1])", "has a list where"},
      {R"("dtype":"U8","shape":[-1],"data_offsets":[0,1])", "has the negative number -1"},
      {R"("dtype":"U8","shape":[1.5],"data_offsets":[0,1])", "has the number 1.5 where an integer"},
      {R"("dtype":"U8","shape":[1],"data_offsets":[0])", "needs two data_offsets"},
      {R"("dtype":"U8","shape":[1],"data_offsets":[0,1,2])", "needs two data_offsets"},
      {R"("dtype":"U8","shape":[1],"data_offsets":[0,18446744073709551615])",
       "has the number 18446744073709551615, which is too large"},
      {R"("dtype":null,"shape":[1],"data_offsets":[0,1])", "has null where"},
      {R"("dtype":true,"shape":[1],"data_offsets":[0,1])", "has a truth value where"},
  };
  for (const auto& [fields, message] : cases) {
    EXPECT_THAT(ErrorOf(fields, 1), HasSubstr(std::string("tensor \"a\" ") + message)) << fields;
  }
  EXPECT_THAT(MessageOf(Parse(SafetensorsBytes(R"({"a":1})", 0))), HasSubstr("has a number where"));
  EXPECT_THAT(MessageOf(Parse(SafetensorsBytes(R"({"__metadata__":{"a":{}}})", 0))),
              HasSubstr("has an object where"));
  EXPECT_THAT(MessageOf(Parse(SafetensorsBytes("[]", 0))), HasSubstr("must be a JSON object"));
  EXPECT_THAT(MessageOf(Parse(SafetensorsBytes("{} x", 0))), HasSubstr("is not valid JSON"));
  EXPECT_THAT(MessageOf(Parse(SafetensorsBytes("", 0))), HasSubstr("is not valid JSON"));
  EXPECT_THAT(MessageOf(Parse(SafetensorsBytes("{\"\xff\":1}", 0))),
              HasSubstr("is not valid JSON"));
}

TEST(SafetensorsHeader, ANameThatOccursTwiceIsRefused) {
  const std::string entry = R"({"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  EXPECT_THAT(MessageOf(Parse(SafetensorsBytes("{\"a\":" + entry + ",\"a\":" + entry + "}", 0))),
              HasSubstr("\"a\" occurs twice"));
}

}  // namespace
}  // namespace sextant
