#include "common/config/yaml_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/message_of.h"
#include "tests/support/temp_dir.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

struct Settings {
  std::int64_t count = 3;
  double share = 0.5;
  bool on = false;
  std::string name = "none";
  std::int64_t bytes = 0;
  int color = 0;
  std::int64_t depth = 0;
};

absl::StatusOr<Settings> Read(const std::string& text) {
  Settings settings;
  const absl::Status status = ReadYaml(text, "f.yaml", [&](YamlReader& root) {
    root.Int("count", &settings.count, {.min = 1, .max = 10});
    root.Double("share", &settings.share, {.min = 0, .max = 1});
    root.Bool("on", &settings.on);
    root.String("name", &settings.name);
    root.ByteSize("bytes", &settings.bytes, {.min = 1, .max = 1 << 30});
    root.Choice<int>("color", &settings.color, {{"red", 1}, {"blue", 2}});
    root.Section("inner", [&](YamlReader& inner) {
      inner.Section("most", [&](YamlReader& most) {
        most.Int("depth", &settings.depth, {.min = 0, .max = 5});
      });
    });
  });
  if (!status.ok()) return status;
  return settings;
}

std::string ErrorOf(const std::string& text) {
  const auto settings = Read(text);
  EXPECT_EQ(settings.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return MessageOf(settings);
}

TEST(YamlReader, ReadsEveryType) {
  const auto settings = Read(
      "count: 7\nshare: 2.5e-1\non: true\nname: \"a: b\"\nbytes: 16KiB\ncolor: blue\n"
      "inner:\n  most: {depth: 4}\n");
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->count, 7);
  EXPECT_EQ(settings->share, 0.25);
  EXPECT_TRUE(settings->on);
  EXPECT_EQ(settings->name, "a: b");
  EXPECT_EQ(settings->bytes, 16384);
  EXPECT_EQ(settings->color, 2);
  EXPECT_EQ(settings->depth, 4);
}

TEST(YamlReader, WhatIsAbsentKeepsItsDefault) {
  for (const char* text : {"", "# only a comment\n", "---\n", "inner:\n", "inner: {most: }\n"}) {
    const auto settings = Read(text);
    ASSERT_TRUE(settings.ok()) << settings.status();
    EXPECT_EQ(settings->count, 3);
    EXPECT_EQ(settings->name, "none");
  }
}

TEST(YamlReader, UnknownKeysNameFileLineAndPath) {
  EXPECT_THAT(ErrorOf("count: 2\ncuont: 3\n"),
              StartsWith("f.yaml:2: cuont is not a known key; known here: count, share"));
  EXPECT_THAT(ErrorOf("inner:\n  most:\n    depth: 1\n    width: 2\n"),
              StartsWith("f.yaml:4: inner.most.width is not a known key; known here: depth"));
  EXPECT_THAT(ErrorOf("<<: {count: 3}\n"), StartsWith("f.yaml:1: << is not a known key"));
}

TEST(YamlReader, DuplicateKeysNameBothLines) {
  EXPECT_EQ(ErrorOf("count: 2\non: true\ncount: 2\n"),
            "f.yaml:3: count occurs twice, first in line 1");
  EXPECT_EQ(ErrorOf("inner:\n  most: {depth: 1}\n  most: {depth: 1}\n"),
            "f.yaml:3: inner.most occurs twice, first in line 2");
}

TEST(YamlReader, WrongTypesAndRangesAreNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {"count: 0", "count must be an integer from 1 to 10, is \"0\""},
      {"count: 11", "count must be an integer from 1 to 10, is \"11\""},
      {"count: 99999999999999999999", "count must be an integer"},
      {"count: 2.0", "count must be an integer"},
      {"count: 0x5", "count must be an integer"},
      {"count: \"5\"", "count must be an integer from 1 to 10, is the text \"5\""},
      {"count: [5]", "count must be an integer from 1 to 10, is a list"},
      {"count:", "count must be an integer from 1 to 10, is empty"},
      {"share: 1.01", "share must be a number from 0 to 1"},
      {"share: .nan", "share must be a number"},
      {"share: nan", "share must be a number"},
      {"on: yes", "on must be true or false, is \"yes\""},
      {"on: 'true'", "on must be true or false, is the text \"true\""},
      {"name: {a: b}", "name must be a text, is a mapping"},
      {"bytes: 5 apples", "bytes is wrong: \"5 apples\" is not a size"},
      {"bytes: 0", "bytes must be from 1 to"},
      {"bytes: 2GiB", "bytes must be from 1 to"},
      {"color: green", "color must be red or blue, is \"green\""},
      {"inner: 5", "inner must be a mapping of keys to values, is \"5\""},
      {"inner: {most: {depth: 6}}", "inner.most.depth must be an integer from 0 to 5"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_THAT(ErrorOf(text), StartsWith(std::string("f.yaml:1: ") + message)) << text;
  }
}

TEST(YamlReader, TextThatIsNoMappingIsRefused) {
  EXPECT_THAT(ErrorOf("just words\n"), HasSubstr("the file must be a mapping"));
  EXPECT_THAT(ErrorOf("- 1\n- 2\n"), HasSubstr("is a list"));
  EXPECT_THAT(ErrorOf("a: 1\nb: [\n"), HasSubstr("is not valid YAML"));
  EXPECT_THAT(ErrorOf("? [a]\n: 1\n"), HasSubstr("a key that is not a word"));
  EXPECT_THAT(ErrorOf("count: 2\n---\ncount: 3\n"), HasSubstr("one document"));
  EXPECT_THAT(ErrorOf("count: 2\n--- 5\n... ]"), StartsWith("f.yaml:"));
  EXPECT_THAT(ErrorOf(","), HasSubstr("is not valid YAML"));  // these two never ended once
  EXPECT_THAT(ErrorOf(",--\x0f'x']\n..---\n?.\n-- -\n"), HasSubstr("is not valid YAML"));
  EXPECT_THAT(ErrorOf(std::string(100000, '[')), HasSubstr("is not valid YAML"));
  EXPECT_THAT(ErrorOf("count: *nothing\n"), HasSubstr("f.yaml:1: is not valid YAML"));
}

TEST(YamlReader, FilesThatCannotBeReadAreNamed) {
  const TempDir dir;
  const auto nothing = [](YamlReader&) {};
  EXPECT_EQ(ReadYamlFile(dir.File("none.yaml"), nothing).code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(MessageOf(ReadYamlFile(dir.path(), nothing)), HasSubstr("not a regular file"));
  dir.Write("large.yaml", std::string((1 << 20) + 1, '\n'));
  EXPECT_THAT(MessageOf(ReadYamlFile(dir.File("large.yaml"), nothing)), HasSubstr("at most"));
}

TEST(YamlReader, ListsOfTexts) {
  std::vector<std::string> values = {"default"};
  const auto read = [&values](const std::string& text) {
    return ReadYaml(text, "f.yaml", [&](YamlReader& root) { root.Strings("list", &values, 2); });
  };
  EXPECT_TRUE(read("x: 1\n").code() == absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(read("").ok());
  EXPECT_THAT(values, ElementsAre("default"));
  EXPECT_TRUE(read("list: [a, \"7\"]\n").ok());
  EXPECT_THAT(values, ElementsAre("a", "7"));
  EXPECT_TRUE(read("list: []\n").ok());
  EXPECT_THAT(values, IsEmpty());
  EXPECT_THAT(MessageOf(read("list: a\n")),
              HasSubstr("f.yaml:1: list must be a list of at most 2 texts, is \"a\""));
  EXPECT_THAT(MessageOf(read("list: [a, b, c]\n")), HasSubstr("at most 2 texts, has 3"));
  EXPECT_THAT(MessageOf(read("list:\n- a\n- {b: c}\n")), StartsWith("f.yaml:3: list must be"));
}

}  // namespace
}  // namespace sextant
