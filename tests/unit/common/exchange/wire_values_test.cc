#include "common/exchange/wire_values.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <limits>
#include <vector>

#include "common/exchange/byte_chunks.h"
#include "common/tensor/float_types.h"

namespace sextant {
namespace {

// Every kind of bf16 value: all 65,536 of them.
std::vector<float> EveryBf16() {
  std::vector<float> values;
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    values.push_back(ToFloat(Bf16{static_cast<std::uint16_t>(bits)}));
  }
  return values;
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(WireValuesTest, EveryBf16ValueComesBackBitForBit) {
  const std::vector<float> values = EveryBf16();
  std::vector<std::uint8_t> bytes(values.size() * 2);
  PackValues(values.data(), 65536, DType::kBf16, bytes.data());
  std::vector<float> back(values.size());
  UnpackValues(bytes.data(), 65536, DType::kBf16, back.data());
  EXPECT_TRUE(SameBits(values, back));
}

TEST(WireValuesTest, WhatRoundingGivesLosesNothing) {
  std::vector<float> values;
  for (std::uint32_t i = 0; i < 4096; ++i) {
    const float value = std::bit_cast<float>(i * 1048583U + 77U);
    values.push_back(RoundToBf16(value));
  }
  std::vector<std::uint8_t> bytes(values.size() * 2);
  PackValues(values.data(), 4096, DType::kBf16, bytes.data());
  std::vector<float> back(values.size());
  UnpackValues(bytes.data(), 4096, DType::kBf16, back.data());
  EXPECT_TRUE(SameBits(values, back));
}

TEST(WireValuesTest, Bf16IsLittleEndian) {
  const float one = 1.0F;  // 0x3f80
  std::uint8_t bytes[2] = {};
  PackValues(&one, 1, DType::kBf16, bytes);
  EXPECT_EQ(bytes[0], 0x80);
  EXPECT_EQ(bytes[1], 0x3f);
}

TEST(WireValuesTest, F32KeepsEveryBit) {
  const std::vector<float> values = {0.1F, -0.0F, std::numeric_limits<float>::quiet_NaN(), 1e-40F};
  std::vector<std::uint8_t> bytes(16);
  PackValues(values.data(), 4, DType::kFp32, bytes.data());
  std::vector<float> back(4);
  UnpackValues(bytes.data(), 4, DType::kFp32, back.data());
  EXPECT_TRUE(SameBits(values, back));
}

TEST(WireValuesTest, EveryLengthAtAnyAddressAndNothingBeyond) {
  const std::vector<float> values = EveryBf16();
  for (std::int64_t count = 0; count < 70; ++count) {
    for (std::size_t offset = 0; offset < 3; ++offset) {
      const float* from = values.data() + 16000 + offset;
      std::vector<std::uint8_t> bytes(offset + static_cast<std::size_t>(count) * 2 + 1, 0xab);
      PackValues(from, count, DType::kBf16, bytes.data() + offset);
      EXPECT_EQ(bytes.back(), 0xab) << count;
      std::vector<float> back(static_cast<std::size_t>(count) + 1, 7.0F);
      UnpackValues(bytes.data() + offset, count, DType::kBf16, back.data());
      EXPECT_EQ(back.back(), 7.0F) << count;
      back.pop_back();
      EXPECT_EQ(back, std::vector<float>(from, from + count));
    }
  }
}

TEST(ChunkReaderTest, ValuesCrossTheBordersOfPieces) {
  std::vector<float> values;
  for (int i = 0; i < 100; ++i) values.push_back(static_cast<float>(i));
  for (const DType type : {DType::kBf16, DType::kFp32}) {
    const auto width = static_cast<std::size_t>(BytesOf(type));
    std::vector<std::uint8_t> bytes(values.size() * width);
    PackValues(values.data(), 100, type, bytes.data());
    for (std::size_t piece = 1; piece <= 40; ++piece) {
      ByteChunks chunks;
      for (std::size_t at = 0; at < bytes.size(); at += piece) {
        chunks.Add(absl::MakeConstSpan(bytes).subspan(at, piece));
      }
      ChunkReader reader(chunks);
      std::vector<float> back(values.size());
      reader.ReadValues(33, type, back.data());
      reader.ReadValues(67, type, back.data() + 33);
      EXPECT_EQ(back, values) << piece;
      EXPECT_EQ(reader.remaining(), 0U);
    }
  }
}

TEST(ChunkReaderTest, VarintsBeyond64BitsAreRefused) {
  const auto read = [](std::vector<std::uint8_t> bytes, std::uint64_t& value) {
    ByteChunks chunks;
    for (std::uint8_t& byte : bytes) chunks.Add({&byte, 1});
    ChunkReader reader(chunks);
    return reader.ReadVarint(value);
  };
  std::uint64_t value = 0;
  EXPECT_TRUE(read({0xac, 0x02}, value));
  EXPECT_EQ(value, 300U);
  std::vector<std::uint8_t> largest(9, 0xff);
  largest.push_back(0x01);
  EXPECT_TRUE(read(largest, value));
  EXPECT_EQ(value, std::numeric_limits<std::uint64_t>::max());
  largest.back() = 0x02;
  EXPECT_FALSE(read(largest, value));
  EXPECT_FALSE(read(std::vector<std::uint8_t>(11, 0x80), value));
  EXPECT_FALSE(read({0x80}, value));
  EXPECT_FALSE(read({}, value));
}

TEST(ChunkReaderTest, SkippingBeyondTheEndIsRefused) {
  const std::uint8_t bytes[3] = {1, 2, 3};
  ByteChunks chunks;
  chunks.Add({bytes, 2});
  chunks.Add({bytes + 2, 1});
  ChunkReader reader(chunks);
  EXPECT_TRUE(reader.Skip(3));
  EXPECT_FALSE(reader.Skip(1));
}

}  // namespace
}  // namespace sextant
