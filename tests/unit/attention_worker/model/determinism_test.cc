// The determinism rule on whole models: the bytes of a sequence's logits depend on its own ids,
// on which of them are the prompt, on the backend and the precision, and on nothing else.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "attention_worker/model/transformer.h"
#include "common/device/backend.h"
#include "tests/golden/golden_model.h"
#include "tests/support/fed_sequence.h"
#include "tests/support/loaded_model.h"

namespace sextant {
namespace {

constexpr std::int32_t kVocab = 254;  // of every golden model, without its two special ids

using Parameter = std::tuple<std::string, Precision, Backend>;

class DeterminismTest : public testing::TestWithParam<Parameter> {
 protected:
  [[nodiscard]] static bool naive() { return std::get<2>(GetParam()) == Backend::kReference; }

  [[nodiscard]] static std::unique_ptr<LoadedModel> Open(int threads,
                                                         std::int64_t block_tokens = 16) {
    return LoadedModel::Open(GoldenModelFolder(std::get<0>(GetParam())),
                             {.backend = std::get<2>(GetParam()),
                              .threads = threads,
                              .precision = std::get<1>(GetParam()),
                              .block_tokens = block_tokens,
                              .num_blocks = static_cast<std::int32_t>(4096 / block_tokens)});
  }
};

TEST_P(DeterminismTest, ABatchOf32UnlikeSequencesGivesEachWhatItGetsAlone) {
  const std::vector<FedText> texts = UnlikeTexts(naive() ? 5 : 32, 80, kVocab);
  const auto single = Open(1);
  ASSERT_NE(single, nullptr);
  std::vector<std::vector<float>> alone;
  for (const FedText& text : texts) {
    alone.push_back(FeedAlone(*single, text.ids, text.prompt, 1000, 1));
  }
  for (const int threads : {1, 2, 3}) {
    if (naive() && threads == 3) continue;
    const auto model = Open(threads);
    ASSERT_NE(model, nullptr);
    const auto together = FeedTogether(*model, texts, static_cast<std::uint32_t>(threads));
    for (std::size_t i = 0; i < texts.size(); ++i) {
      EXPECT_TRUE(SameBytes(together[i], alone[i]))
          << "sequence " << i << " of " << texts[i].ids.size() << ", prompt " << texts[i].prompt
          << ", on " << threads << " threads";
    }
  }
}

TEST_P(DeterminismTest, AnyChunkingAndNumberOfThreadsGivesTheSameBytes) {
  const auto ids = RandomIds(naive() ? 20 : 150, 3, kVocab);
  const auto length = static_cast<std::int64_t>(ids.size());
  const auto single = Open(1);
  ASSERT_NE(single, nullptr);
  const std::vector<float> whole = FeedAlone(*single, ids, length, length, 1);
  for (const int threads : {1, 2, 3}) {
    const auto model = Open(threads);
    ASSERT_NE(model, nullptr);
    for (const std::int64_t chunk : {1, 7, 16, 64, 129}) {
      if (chunk == 1 && (threads != 2 || naive())) continue;  // slow
      if (naive() && threads == 3) continue;
      EXPECT_TRUE(SameBytes(FeedAlone(*model, ids, length, chunk, 1), whole))
          << "chunks of " << chunk << " on " << threads << " threads";
    }
  }
}

TEST_P(DeterminismTest, AReplayOfGeneratedTokensManyRowsAtOnceGivesTheSameBytes) {
  const auto ids = RandomIds(naive() ? 30 : 150, 5, kVocab);
  constexpr std::int64_t kPrompt = 23;
  const auto model = Open(2);
  ASSERT_NE(model, nullptr);
  const std::vector<float> one_by_one = FeedAlone(*model, ids, kPrompt, 16, 1);
  for (const std::int64_t rows : {2, 7, 64, 1000}) {
    EXPECT_TRUE(SameBytes(FeedAlone(*model, ids, kPrompt, 1000, rows), one_by_one))
        << rows << " at once";
  }
}

TEST_P(DeterminismTest, TheSizeOfABlockChangesNothing) {
  const auto ids = RandomIds(naive() ? 30 : 100, 6, kVocab);
  const auto model = Open(2, 16);
  const auto other = Open(2, 64);
  ASSERT_TRUE(model != nullptr && other != nullptr);
  EXPECT_TRUE(SameBytes(FeedAlone(*other, ids, 20, 7, 1), FeedAlone(*model, ids, 20, 1000, 5)));
}

TEST_P(DeterminismTest, AForkThatSharesBlocksGoesOnAsIfItWereAlone) {
  const auto model = Open(2);
  ASSERT_NE(model, nullptr);
  const auto ids = RandomIds(41, 8, kVocab);
  constexpr std::int64_t kShared = 25;  // within a block
  const auto forward = [&](absl::Span<const std::int32_t> part, std::int64_t start,
                           SequenceBlocks& blocks) {
    const auto count = static_cast<std::int64_t>(part.size());
    EXPECT_TRUE(blocks.PrepareWrite(start, start + count).ok());
    const SequenceSlice slice{
        .token_ids = part, .start = start, .blocks = &blocks, .num_logits = count};
    const auto logits = ForwardLogits(model->transformer(), {slice});
    EXPECT_TRUE(logits.ok()) << logits.status();
    return std::vector<float>(logits->data, logits->data + count * logits->cols);
  };
  const absl::Span<const std::int32_t> all = ids;
  auto changed = ids;
  for (std::size_t i = kShared; i < changed.size(); ++i) changed[i] = (changed[i] + 1) % kVocab;
  const auto tail_of = [&](const std::vector<std::int32_t>& text) {
    const std::vector<float> logits = FeedAlone(*model, text, 41, 1000, 1);
    return std::vector<float>(logits.begin() + kShared * model->config().vocab_size, logits.end());
  };
  SequenceBlocks first(model->cache());
  (void)forward(all.first(kShared), 0, first);
  SequenceBlocks second = first.Fork(kShared);
  const auto second_tail = forward(absl::MakeConstSpan(changed).subspan(kShared), kShared, second);
  const auto first_tail = forward(all.subspan(kShared), kShared, first);
  EXPECT_TRUE(SameBytes(first_tail, tail_of(ids)));
  EXPECT_TRUE(SameBytes(second_tail, tail_of(changed)));
}

TEST_P(DeterminismTest, AskingForFewerLogitsChangesNone) {
  const auto model = Open(2);
  ASSERT_NE(model, nullptr);
  const auto ids = RandomIds(40, 9, kVocab);
  constexpr std::int64_t kPrompt = 25;
  const std::vector<float> all = FeedAlone(*model, ids, kPrompt, 1000, 1000);
  const std::int64_t vocab = model->config().vocab_size;
  for (const std::int64_t wanted : {0, 1, 7}) {
    FedSequence sequence(*model, ids, kPrompt);
    while (!sequence.done()) {
      SequenceSlice slice = sequence.Next(1000);
      slice.num_logits = wanted;
      const auto logits = ForwardLogits(model->transformer(), {slice});
      ASSERT_TRUE(logits.ok()) << logits.status();
      ASSERT_EQ(logits->rows, wanted);
      const auto end = all.begin() + sequence.fed() * vocab;
      EXPECT_TRUE(
          SameBytes({logits->data, logits->data + wanted * vocab}, {end - wanted * vocab, end}))
          << wanted << " of the positions before " << sequence.fed();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, DeterminismTest,
                         testing::Combine(testing::Values("lite", "v2", "plain"),
                                          testing::Values(Precision::kBf16, Precision::kFp32),
                                          testing::ValuesIn(SupportedBackends())),
                         [](const auto& test) {
                           std::string name =
                               absl::StrCat(std::get<0>(test.param), "_",
                                            Name(StorageType(std::get<1>(test.param))), "_on_",
                                            Name(std::get<2>(test.param)));
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace sextant
