#include "common/exchange/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "common/exchange/wire_values.h"
#include "proto/sextant/v1/expert.pb.h"
#include "tests/support/message_of.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;

// The frame in pieces of `piece` bytes; borrows `bytes`.
ByteChunks InPieces(const std::string& bytes, std::size_t piece) {
  ByteChunks chunks;
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    chunks.Add({data + at, std::min(piece, bytes.size() - at)});
  }
  return chunks;
}

std::string TextOf(const FrameBytes& frame) {
  return {reinterpret_cast<const char*>(frame.data.get()), frame.size};
}

DispatchHeader SomeHeader(DType type) {
  return {.dispatch = 300,
          .epoch = 7,
          .layer = 26,
          .num_rows = 2,
          .hidden = 3,
          .type = type,
          .pairs = {{0, 63}, {0, 5}, {1, 5}}};
}

std::string SomeDispatch(DType type) {
  const FrameBytes frame = StartDispatchFrame(SomeHeader(type));
  const float rows[6] = {1, 2, 3, 4, 5, 6};
  PackValues(rows, 6, type, frame.rows);
  return TextOf(frame);
}

TEST(FrameTest, ADispatchComesBackFromAnyPieces) {
  for (const DType type : {DType::kBf16, DType::kFp32}) {
    const std::string bytes = SomeDispatch(type);
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
      const ByteChunks chunks = InPieces(bytes, piece);
      DispatchFrame frame;
      ASSERT_TRUE(ParseDispatchFrame(chunks, frame).ok());
      EXPECT_EQ(frame.header.dispatch, 300U);
      EXPECT_EQ(frame.header.epoch, 7U);
      EXPECT_EQ(frame.header.layer, 26);
      EXPECT_EQ(frame.header.type, type);
      EXPECT_EQ(frame.header.pairs, SomeHeader(type).pairs);
      std::vector<float> rows(6);
      frame.rows.ReadValues(6, type, rows.data());
      EXPECT_EQ(rows, (std::vector<float>{1, 2, 3, 4, 5, 6}));
    }
  }
}

TEST(FrameTest, ProtobufReadsWhatIsWritten) {
  v1::DispatchFrame message;
  ASSERT_TRUE(message.ParseFromString(SomeDispatch(DType::kFp32)));
  EXPECT_EQ(message.dispatch(), 300U);
  EXPECT_EQ(message.epoch(), 7U);
  EXPECT_EQ(message.layer(), 26);
  EXPECT_EQ(message.num_rows(), 2);
  EXPECT_EQ(message.hidden(), 3);
  EXPECT_EQ(message.type(), v1::ELEMENT_TYPE_F32);
  EXPECT_EQ(message.pairs().size(), 12U);
  EXPECT_EQ(message.rows().size(), 24U);
  EXPECT_EQ(message.SerializeAsString(), SomeDispatch(DType::kFp32));

  const FrameBytes frame = StartOutputFrame(
      {.dispatch = 9, .code = 3, .message = "what is wrong", .type = DType::kBf16}, 0);
  v1::OutputFrame output;
  ASSERT_TRUE(output.ParseFromString(TextOf(frame)));
  EXPECT_EQ(output.dispatch(), 9U);
  EXPECT_EQ(output.code(), 3);
  EXPECT_EQ(output.message(), "what is wrong");
  EXPECT_EQ(output.type(), v1::ELEMENT_TYPE_BF16);
  EXPECT_EQ(output.rows(), "");
}

TEST(FrameTest, WhatProtobufWritesIsRead) {
  v1::OutputFrame message;
  message.set_dispatch(1ULL << 40);
  message.set_type(v1::ELEMENT_TYPE_BF16);
  message.set_rows(std::string("\x80\x3f", 2));
  const std::string bytes = message.SerializeAsString();
  const ByteChunks chunks = InPieces(bytes, 3);
  OutputFrame frame;
  ASSERT_TRUE(ParseOutputFrame(chunks, frame).ok());
  EXPECT_EQ(frame.header.dispatch, 1ULL << 40);
  EXPECT_EQ(frame.header.code, 0);
  ASSERT_EQ(frame.rows_bytes, 2U);
  float value = 0;
  frame.rows.ReadValues(1, DType::kBf16, &value);
  EXPECT_EQ(value, 1.0F);
}

TEST(FrameTest, UnknownFieldsAreSkippedAndTheLastOfAKindCounts) {
  std::string bytes = SomeDispatch(DType::kBf16);
  bytes.append("\x08\x05", 2);                                        // dispatch = 5
  bytes.append("\x78\x01", 2);                                        // field 15, varint
  bytes.append("\x7a\x02zz", 4);                                      // field 15, bytes
  bytes.append("\x7d\0\0\0\0", 5).append("\x79\0\0\0\0\0\0\0\0", 9);  // fixed numbers
  const ByteChunks chunks = InPieces(bytes, 5);
  DispatchFrame frame;
  const absl::Status status = ParseDispatchFrame(chunks, frame);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(frame.header.dispatch, 5U);
}

TEST(FrameTest, EveryTruncationIsRefused) {
  const std::string bytes = SomeDispatch(DType::kBf16);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::string start = bytes.substr(0, size);
    const ByteChunks chunks = InPieces(start, 7);
    DispatchFrame frame;
    EXPECT_EQ(ParseDispatchFrame(chunks, frame).code(), absl::StatusCode::kInvalidArgument) << size;
    EXPECT_EQ(frame.header.dispatch, size < 3 ? 0U : 300U) << size;
  }
}

TEST(FrameTest, RandomDamageNeverBreaksTheReader) {
  const std::string bytes = SomeDispatch(DType::kBf16);
  std::mt19937 random(3);
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = bytes;
    for (std::uint32_t n = random() % 4 + 1; n > 0; --n) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    const ByteChunks chunks = InPieces(damaged, random() % 9 + 1);
    DispatchFrame frame;
    if (!ParseDispatchFrame(chunks, frame).ok()) continue;
    ++accepted;
    std::vector<float> rows(static_cast<std::size_t>(frame.header.num_rows * frame.header.hidden));
    frame.rows.ReadValues(static_cast<std::int64_t>(rows.size()), frame.header.type, rows.data());
  }
  EXPECT_GT(accepted, 100);
}

absl::Status StatusOf(const v1::DispatchFrame& message) {
  const std::string bytes = message.SerializeAsString();
  const ByteChunks chunks = InPieces(bytes, bytes.size());
  DispatchFrame frame;
  return ParseDispatchFrame(chunks, frame);
}

TEST(FrameTest, SizesThatContradictEachOtherAreNamed) {
  v1::DispatchFrame right;
  ASSERT_TRUE(right.ParseFromString(SomeDispatch(DType::kBf16)));
  ASSERT_TRUE(StatusOf(right).ok());

  v1::DispatchFrame wrong = right;
  wrong.set_num_rows(3);
  EXPECT_THAT(MessageOf(StatusOf(wrong)), HasSubstr("3 rows of 6 bytes, and has 12 bytes"));
  wrong.set_num_rows(65537);
  EXPECT_THAT(MessageOf(StatusOf(wrong)), HasSubstr("num_rows is 65537"));
  wrong.set_num_rows(-1);
  EXPECT_THAT(MessageOf(StatusOf(wrong)), HasSubstr("num_rows is -1"));
  wrong = right;
  wrong.set_layer(-5);
  EXPECT_THAT(MessageOf(StatusOf(wrong)), HasSubstr("layer is -5"));
  wrong = right;
  wrong.set_hidden(0);
  EXPECT_THAT(MessageOf(StatusOf(wrong)), HasSubstr("no hidden size"));
  wrong = right;
  wrong.clear_type();
  EXPECT_THAT(MessageOf(StatusOf(wrong)), HasSubstr("no element type"));
  wrong = right;
  wrong.set_pairs("12345");
  EXPECT_THAT(MessageOf(StatusOf(wrong)), HasSubstr("pairs have 5 bytes"));
  wrong.set_pairs(std::string("\x02\0\0\0", 4));
  EXPECT_THAT(MessageOf(StatusOf(wrong)), HasSubstr("row 2 of a pair"));
  wrong.set_pairs(std::string("\x01\0\0\0\0\0\0\0", 8));
  EXPECT_THAT(MessageOf(StatusOf(wrong)), HasSubstr("row 0 of a pair follows row 1"));
}

TEST(FrameTest, MorePairsThanAnAnswerMayHoldAreRefused) {
  v1::DispatchFrame message;
  message.set_dispatch(1);
  message.set_num_rows(1);
  message.set_hidden(1 << 20);
  message.set_type(v1::ELEMENT_TYPE_F32);
  message.set_rows(std::string(4 << 20, '\0'));
  message.set_pairs(std::string(9 * 4, '\0'));
  EXPECT_THAT(MessageOf(StatusOf(message)), HasSubstr("9 pairs; 8 are allowed"));
}

TEST(FrameTest, ALongErrorTextIsCutOff) {
  const FrameBytes frame =
      StartOutputFrame({.dispatch = 1, .code = 13, .message = std::string(100000, 'x')}, 0);
  EXPECT_LT(frame.size, 5000U);
}

}  // namespace
}  // namespace sextant
