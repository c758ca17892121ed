#include "attention_worker/device/step_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "tests/support/v2_lite.h"
#include "tests/unit/attention_worker/device/small_v2_config.h"

namespace sextant {
namespace {

constexpr StepLimits kLimits = {
    .max_batch_tokens = 100, .max_sequences = 7, .block_tokens = 64, .cache_tokens = 6400};

// Memory as a GPU gives it.
class AlignedMemory {
 public:
  explicit AlignedMemory(std::int64_t bytes)
      : data_(static_cast<std::byte*>(
            ::operator new (static_cast<std::size_t>(bytes), std::align_val_t{256}))) {}
  ~AlignedMemory() { ::operator delete (data_, std::align_val_t{256}); }
  AlignedMemory(const AlignedMemory&) = delete;
  AlignedMemory& operator=(const AlignedMemory&) = delete;

  [[nodiscard]] std::byte* data() const { return data_; }

 private:
  std::byte* data_;
};

// Where buffers begin and end, from the start of the memory.
class Places {
 public:
  explicit Places(const std::byte* memory) : memory_(memory) {}

  template <typename T>
  void Add(const T* buffer, std::int64_t count) {
    ASSERT_NE(buffer, nullptr);
    const std::int64_t begin = reinterpret_cast<const std::byte*>(buffer) - memory_;
    EXPECT_EQ(begin % 256, 0);
    places_.emplace_back(begin, begin + count * static_cast<std::int64_t>(sizeof(T)));
  }

  // No two share a byte, and the memory holds them all with less than 256 bytes between them.
  void ExpectThatTheyFill(std::int64_t bytes) {
    std::sort(places_.begin(), places_.end());
    std::int64_t end = 0;
    for (const auto& [begin, next_end] : places_) {
      EXPECT_GE(begin, end);
      EXPECT_LT(begin - end, 256);
      end = next_end;
    }
    EXPECT_LE(end, bytes);
    EXPECT_LT(bytes - end, 256);
  }

 private:
  const std::byte* memory_;
  std::vector<std::pair<std::int64_t, std::int64_t>> places_;
};

void AddInputs(const StepInputs& inputs, const StepSizes& sizes, Places& places) {
  places.Add(inputs.live_rows, 1);
  places.Add(inputs.feed_forward_offsets, 2);
  places.Add(inputs.logit_feed_forward_offsets, 2);
  places.Add(inputs.token_ids, sizes.rows);
  places.Add(inputs.positions, sizes.rows);
  places.Add(inputs.slots, sizes.rows);
  places.Add(inputs.lengths, sizes.rows);
  places.Add(inputs.logit_rows, sizes.logit_rows);
  places.Add(inputs.block_tables, sizes.decode_rows * sizes.max_blocks);
}

TEST(StepLayout, EveryBufferHasItsOwnRoom) {
  const ModelConfig config = SmallV2Config();
  const StepSizes sizes = LargestStep(config, kLimits);
  ASSERT_TRUE(sizes.many_spans);
  const std::int64_t bytes = LayOutStep(config, sizes, nullptr).bytes();
  const AlignedMemory memory(bytes);
  const StepLayout layout = LayOutStep(config, sizes, memory.data());
  EXPECT_EQ(layout.bytes(), bytes);
  EXPECT_EQ(layout.padded_vocab, 2048);

  const std::int64_t t = sizes.rows;
  const std::int64_t b = sizes.decode_rows;
  const std::int64_t l = sizes.logit_rows;
  const std::int64_t splits = sizes.max_splits;
  Places places(memory.data());
  AddInputs(layout.inputs, sizes, places);
  const StepActivations& a = layout.activations;
  places.Add(a.h, t * 72);
  places.Add(a.x, t * 72);
  places.Add(a.delta, t * 72);
  places.Add(a.q_a, t * 24);
  places.Add(a.q, t * 2 * 192);
  places.Add(a.kva, t * 576);
  places.Add(a.heads, t * 2 * 128);
  places.Add(a.gate_logits, t * 10);
  places.Add(a.expert_weights, t * 3);
  places.Add(a.expert_ids, t * 3);
  places.Add(a.gated, t * 200);
  places.Add(a.logits, l * 2048);
  const StepAttention& attention = layout.attention;
  places.Add(attention.latent_q, b * 2 * 512);
  places.Add(attention.u, b * 2 * 1024);
  places.Add(attention.plan.offsets, b + 1);
  places.Add(attention.plan.rows, splits);
  EXPECT_EQ(attention.plan.max_splits, splits);
  places.Add(attention.partial, splits * 2 * 512);
  places.Add(attention.partial_state, splits * 2 * 2);
  places.Add(attention.expanded, sizes.span_keys * 2 * 256);
  places.Add(attention.prefill_state, t * 2 * 130);
  const StepSampling& sampling = layout.sampling;
  places.Add(sampling.inputs.banned, 64);
  places.Add(sampling.inputs.rows, l);
  places.Add(sampling.inputs.history, SampleHistoryBytes(config));
  places.Add(sampling.adjusted, l * 2048);
  places.Add(sampling.counts, l * 2048);
  places.Add(sampling.results, l);
  places.ExpectThatTheyFill(bytes);
}

TEST(StepLayout, WhatAModelOrItsContextDoesNotNeedHasNoRoom) {
  ModelConfig config = SmallV2Config();
  config.q_lora_rank.reset();
  config.n_shared_experts = 8;  // wider than the dense MLP
  StepLimits limits = kLimits;
  limits.cache_tokens = 4096;
  const StepSizes sizes = LargestStep(config, limits);
  const AlignedMemory memory(LayOutStep(config, sizes, nullptr).bytes());
  const StepLayout layout = LayOutStep(config, sizes, memory.data());
  EXPECT_EQ(layout.activations.q_a, nullptr);
  EXPECT_EQ(layout.attention.prefill_state, nullptr);
  EXPECT_EQ(reinterpret_cast<std::byte*>(layout.activations.logits) -
                reinterpret_cast<std::byte*>(layout.activations.gated),
            100 * 320 * 2);
}

TEST(StepLayout, TheHostsCopyOfTheInputsHasTheSamePlaces) {
  const ModelConfig config = SmallV2Config();
  const StepSizes sizes = LargestStep(config, kLimits);
  const AlignedMemory device(LayOutStep(config, sizes, nullptr).bytes());
  const StepLayout layout = LayOutStep(config, sizes, device.data());
  const AlignedMemory host(layout.input_bytes);
  ArenaCarver carver(host.data());
  const StepInputs copy = CarveStepInputs(sizes, carver);
  EXPECT_EQ(carver.bytes(), layout.input_bytes);
  const auto offset = [](const void* at, const AlignedMemory& in) {
    return static_cast<const std::byte*>(at) - in.data();
  };
  EXPECT_EQ(offset(copy.live_rows, host), 0);
  EXPECT_EQ(offset(layout.inputs.live_rows, device), 0);
  EXPECT_EQ(offset(copy.slots, host), offset(layout.inputs.slots, device));
  EXPECT_EQ(offset(copy.logit_rows, host), offset(layout.inputs.logit_rows, device));
  // The last one, so that a step with few sequences copies little.
  EXPECT_EQ(offset(copy.block_tables, host), offset(layout.inputs.block_tables, device));
  EXPECT_LT(layout.input_bytes - offset(copy.block_tables + 7 * sizes.max_blocks, host), 256);
}

TEST(LargestStep, HasNoMoreSlicesThanRows) {
  StepLimits limits = kLimits;
  limits.max_batch_tokens = 5;
  const StepSizes sizes = LargestStep(V2LiteConfig(), limits);
  EXPECT_EQ(sizes.rows, 5);
  EXPECT_EQ(sizes.decode_rows, 5);
  EXPECT_EQ(sizes.logit_rows, 5);
}

TEST(LargestStep, ContextsEndWithTheModelOrTheCache) {
  StepLimits limits = kLimits;
  limits.cache_tokens = 64 * 3;
  StepSizes sizes = LargestStep(V2LiteConfig(), limits);
  EXPECT_EQ(sizes.max_blocks, 3);
  EXPECT_EQ(sizes.span_keys, 192);
  EXPECT_FALSE(sizes.many_spans);

  limits.cache_tokens = 64 * 100000;
  sizes = LargestStep(V2LiteConfig(), limits);
  EXPECT_EQ(sizes.max_blocks, 163840 / 64);
  EXPECT_EQ(sizes.span_keys, kMostSpanKeys);
  EXPECT_TRUE(sizes.many_spans);

  ModelConfig short_context = V2LiteConfig();
  short_context.max_position_embeddings = 100;
  sizes = LargestStep(short_context, limits);
  EXPECT_EQ(sizes.max_blocks, 2);
  EXPECT_EQ(sizes.span_keys, 128);
  EXPECT_FALSE(sizes.many_spans);
}

TEST(LargestStep, SplitsHoldTheLongestRowAndAllRowsThatShareNothing) {
  StepLimits limits = kLimits;
  // As many as seven rows of the whole cache have: no more can be asked for.
  limits.cache_tokens = 513;
  EXPECT_EQ(LargestStep(V2LiteConfig(), limits).max_splits, 7 * 2);
  // Seven rows of 163,840 positions that share them would have 2,240.
  limits.cache_tokens = 250000;
  EXPECT_EQ(LargestStep(V2LiteConfig(), limits).max_splits, 7 * 320);
  // 256 of them more than there is room for.
  limits.max_batch_tokens = 512;
  limits.max_sequences = 256;
  EXPECT_EQ(LargestStep(V2LiteConfig(), limits).max_splits, kSharedSplits);
  // Sequences that fill a large cache: 512 positions a split, and one split more for each.
  limits.cache_tokens = 3'500'000;
  EXPECT_EQ(LargestStep(V2LiteConfig(), limits).max_splits, 6836 + 256);
}

}  // namespace
}  // namespace sextant
