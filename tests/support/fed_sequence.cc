#include "tests/support/fed_sequence.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <random>
#include <utility>

namespace sextant {

SequenceSlice FedSequence::Next(std::int64_t rows) {
  const bool generated = generating();
  const std::int64_t end = std::min(fed_ + rows, generated ? length() : prompt_);
  const absl::Status status = blocks_.PrepareWrite(fed_, end);
  EXPECT_TRUE(status.ok()) << status;
  const SequenceSlice slice{
      .token_ids = absl::MakeConstSpan(ids_).subspan(static_cast<std::size_t>(fed_),
                                                     static_cast<std::size_t>(end - fed_)),
      .start = fed_,
      .generated = generated,
      .blocks = &blocks_,
      .num_logits = end - fed_};
  fed_ = end;
  return slice;
}

std::vector<float> FeedAlone(FedModel model, std::vector<std::int32_t> ids, std::int64_t prompt,
                             std::int64_t prompt_chunk, std::int64_t generated_chunk) {
  FedSequence sequence(model, std::move(ids), prompt);
  std::vector<float> all;
  while (!sequence.done()) {
    const SequenceSlice slice =
        sequence.Next(sequence.generating() ? generated_chunk : prompt_chunk);
    const auto logits = ForwardLogits(model.model, {slice});
    EXPECT_TRUE(logits.ok()) << logits.status();
    if (!logits.ok()) break;
    for (std::int64_t row = 0; row < logits->rows; ++row) {
      all.insert(all.end(), logits->Row(row), logits->Row(row) + logits->cols);
    }
  }
  return all;
}

std::vector<std::int32_t> RandomIds(std::size_t count, std::uint32_t seed, std::int32_t vocab) {
  std::mt19937 random(seed);
  std::vector<std::int32_t> ids(count);
  for (std::int32_t& id : ids) {
    id = static_cast<std::int32_t>(random() % static_cast<std::uint32_t>(vocab));
  }
  return ids;
}

std::vector<FedText> UnlikeTexts(std::size_t count, std::size_t longest, std::int32_t vocab) {
  std::mt19937 random(7);
  std::vector<FedText> texts;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t length = 1 + (i * 29) % longest;
    FedText text{.ids = RandomIds(length, static_cast<std::uint32_t>(100 + i), vocab)};
    text.prompt = i % 4 == 0 ? static_cast<std::int64_t>(length)
                             : 1 + static_cast<std::int64_t>(random() % length);
    texts.push_back(std::move(text));
  }
  return texts;
}

std::vector<std::vector<float>> FeedTogether(FedModel model, const std::vector<FedText>& texts,
                                             std::uint32_t seed) {
  std::mt19937 random(seed);
  std::deque<FedSequence> sequences;
  for (const FedText& text : texts) sequences.emplace_back(model, text.ids, text.prompt);
  std::vector<std::vector<float>> logits(texts.size());
  std::size_t joined = 0;
  for (bool done = false; !done;) {
    joined = std::min(texts.size(), joined + 1 + random() % 12);
    std::vector<SequenceSlice> slices;
    std::vector<std::size_t> owners;
    for (const bool generated : {true, false}) {
      // The owner of a step's slice must not have moved on within the step.
      for (std::size_t i = 0; i < joined; ++i) {
        FedSequence& sequence = sequences[i];
        const bool fed = std::find(owners.begin(), owners.end(), i) != owners.end();
        if (sequence.done() || fed || sequence.generating() != generated) continue;
        const std::int64_t rows = generated ? 1 + static_cast<std::int64_t>(random() % 3)
                                            : 1 + static_cast<std::int64_t>(random() % 40);
        slices.push_back(sequence.Next(rows));
        owners.push_back(i);
      }
    }
    const auto result = ForwardLogits(model.model, slices);
    EXPECT_TRUE(result.ok()) << result.status();
    if (!result.ok()) return logits;
    std::int64_t row = 0;
    for (std::size_t s = 0; s < slices.size(); ++s) {
      std::vector<float>& to = logits[owners[s]];
      for (std::int64_t i = 0; i < slices[s].num_logits; ++i, ++row) {
        to.insert(to.end(), result->Row(row), result->Row(row) + result->cols);
      }
    }
    done = joined == texts.size() && std::all_of(sequences.begin(), sequences.end(),
                                                 [](const FedSequence& s) { return s.done(); });
  }
  return logits;
}

bool SameBytes(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return false;
  return a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace sextant
