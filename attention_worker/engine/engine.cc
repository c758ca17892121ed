#include "attention_worker/engine/engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace sextant {

struct Engine::Sequence {
  Sequence(std::int64_t id_in, GenerationRequest request_in, LatentCache& cache)
      : id(id_in), request(std::move(request_in)), blocks(cache) {}

  [[nodiscard]] std::int64_t prompt_length() const {
    return static_cast<std::int64_t>(request.prompt_ids.size());
  }
  [[nodiscard]] bool generating() const { return computed >= prompt_length(); }
  // Positions that are ever computed: the last token is sampled and never fed back.
  [[nodiscard]] std::int64_t longest() const { return prompt_length() + request.max_tokens - 1; }
  [[nodiscard]] std::optional<FinishReason> FinishAfter(std::int32_t token) const {
    const std::vector<std::int32_t>& stops = request.stop_ids;
    if (std::find(stops.begin(), stops.end(), token) != stops.end()) return FinishReason::kStop;
    const bool full = static_cast<std::int64_t>(generated.size()) == request.max_tokens;
    return full ? std::optional(FinishReason::kLength) : std::nullopt;
  }

  std::int64_t id;
  GenerationRequest request;
  SequenceBlocks blocks;
  std::int64_t computed = 0;  // positions whose latents are in the cache
  std::vector<std::int32_t> generated;
  bool finished = false;
};

Engine::Engine(Transformer& transformer, LatentCache& cache, Stream& stream, Options options)
    : transformer_(transformer), cache_(cache), stream_(stream), options_(std::move(options)) {
  CHECK_GE(options_.max_batch_tokens, 1);
  CHECK_GE(options_.max_sequences, 1);
}

Engine::~Engine() = default;

std::int64_t Engine::BlocksFor(std::int64_t tokens) const {
  const std::int64_t block_tokens = cache_.shape().block_tokens;
  return (tokens + block_tokens - 1) / block_tokens;
}

absl::Status Engine::CheckRequest(const GenerationRequest& request) const {
  if (request.prompt_ids.empty()) {
    return absl::InvalidArgumentError("the prompt is empty; give at least one token");
  }
  for (std::int32_t id : request.prompt_ids) {
    if (id < 0 || id >= options_.vocab_size) {
      return absl::InvalidArgumentError(
          absl::StrCat("token id ", id, " is outside the vocabulary; ids go from 0 to ",
                       options_.vocab_size - 1));
    }
  }
  if (request.max_tokens < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_tokens is ", request.max_tokens, "; ask for at least 1"));
  }
  const auto prompt = static_cast<std::int64_t>(request.prompt_ids.size());
  if (prompt > options_.max_context || request.max_tokens > options_.max_context - prompt) {
    return absl::InvalidArgumentError(
        absl::StrCat("the prompt of ", prompt, " tokens and ", request.max_tokens,
                     " new ones do not fit the model's context of ", options_.max_context,
                     "; shorten the prompt or ask for fewer tokens"));
  }
  if (BlocksFor(prompt + request.max_tokens - 1) > cache_.shape().num_blocks) {
    return absl::InvalidArgumentError(
        absl::StrCat("the prompt of ", prompt, " tokens and ", request.max_tokens,
                     " new ones do not fit the latent cache of ",
                     cache_.shape().num_blocks * cache_.shape().block_tokens,
                     " tokens; raise cache_tokens or ask for less"));
  }
  return Validate(request.sampling, options_.vocab_size);
}

absl::StatusOr<std::int64_t> Engine::Submit(GenerationRequest request) {
  RETURN_IF_ERROR(CheckRequest(request));
  const std::int64_t id = next_sequence_++;
  waiting_.push_back(std::make_unique<Sequence>(id, std::move(request), cache_));
  return id;
}

void Engine::AdmitWaiting() {
  while (!waiting_.empty() && static_cast<std::int64_t>(running_.size()) < options_.max_sequences) {
    const std::int64_t blocks = BlocksFor(waiting_.front()->longest());
    if (reserved_blocks_ + blocks > cache_.shape().num_blocks) return;
    reserved_blocks_ += blocks;
    running_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
}

absl::Status Engine::PlanStep(std::vector<SequenceSlice>& slices, std::vector<Sequence*>& owners) {
  std::int64_t budget = options_.max_batch_tokens;
  const auto add = [&](Sequence& sequence, absl::Span<const std::int32_t> ids, bool generated,
                       std::int64_t num_logits) -> absl::Status {
    const std::int64_t end = sequence.computed + static_cast<std::int64_t>(ids.size());
    RETURN_IF_ERROR(sequence.blocks.PrepareWrite(sequence.computed, end));
    slices.push_back({.token_ids = ids,
                      .start = sequence.computed,
                      .generated = generated,
                      .blocks = &sequence.blocks,
                      .num_logits = num_logits});
    owners.push_back(&sequence);
    budget -= static_cast<std::int64_t>(ids.size());
    return absl::OkStatus();
  };
  for (const std::unique_ptr<Sequence>& sequence : running_) {
    if (!sequence->generating() || budget == 0) continue;
    const auto last = absl::MakeConstSpan(sequence->generated).last(1);
    RETURN_IF_ERROR(add(*sequence, last, /*generated=*/true, /*num_logits=*/1));
  }
  for (const std::unique_ptr<Sequence>& sequence : running_) {
    if (sequence->generating() || budget == 0) continue;
    const std::int64_t left = sequence->prompt_length() - sequence->computed;
    const std::int64_t count = std::min(left, budget);
    const auto chunk =
        absl::MakeConstSpan(sequence->request.prompt_ids)
            .subspan(static_cast<std::size_t>(sequence->computed), static_cast<std::size_t>(count));
    RETURN_IF_ERROR(add(*sequence, chunk, /*generated=*/false, count == left ? 1 : 0));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<TokenEvent>> Engine::Step() {
  AdmitWaiting();
  std::vector<SequenceSlice> slices;
  std::vector<Sequence*> owners;
  RETURN_IF_ERROR(PlanStep(slices, owners));
  if (slices.empty()) return std::vector<TokenEvent>();
  ASSIGN_OR_RETURN(const MatrixView<const float> logits, transformer_.Forward(slices));

  std::vector<Sequence*> sampled;
  for (std::size_t i = 0; i < slices.size(); ++i) {
    owners[i]->computed += static_cast<std::int64_t>(slices[i].token_ids.size());
    if (slices[i].num_logits > 0) sampled.push_back(owners[i]);
  }
  ASSIGN_OR_RETURN(std::vector<TokenEvent> events, SampleStep(logits, sampled));
  RemoveFinished();
  return events;
}

absl::StatusOr<std::vector<TokenEvent>> Engine::SampleStep(MatrixView<const float> logits,
                                                           absl::Span<Sequence* const> owners) {
  CHECK_EQ(logits.rows, static_cast<std::int64_t>(owners.size()));
  std::vector<SampleRow> rows;
  rows.reserve(owners.size());
  for (const Sequence* sequence : owners) {
    rows.push_back({.params = &sequence->request.sampling,
                    .prompt = sequence->request.prompt_ids,
                    .output = sequence->generated,
                    .position = static_cast<std::uint64_t>(sequence->computed)});
  }
  std::vector<absl::StatusOr<SampledToken>> tokens(rows.size());
  RETURN_IF_ERROR(Sample(stream_, {.logits = logits,
                                   .rows = rows,
                                   .banned_ids = options_.banned_ids,
                                   .results = absl::MakeSpan(tokens)}));
  std::vector<TokenEvent> events;
  for (std::size_t i = 0; i < owners.size(); ++i) {
    Sequence& sequence = *owners[i];
    TokenEvent event{.sequence = sequence.id, .token = std::move(tokens[i]), .finish = {}};
    if (event.token.ok()) {
      sequence.generated.push_back(event.token->id);
      event.finish = sequence.FinishAfter(event.token->id);
    }
    sequence.finished = event.finish.has_value() || !event.token.ok();
    events.push_back(std::move(event));
  }
  return events;
}

void Engine::RemoveFinished() {
  const auto finished = [this](const std::unique_ptr<Sequence>& sequence) {
    if (sequence->finished) reserved_blocks_ -= BlocksFor(sequence->longest());
    return sequence->finished;
  };
  running_.erase(std::remove_if(running_.begin(), running_.end(), finished), running_.end());
}

void Engine::Cancel(std::int64_t id) {
  const auto has_id = [id](const std::unique_ptr<Sequence>& sequence) {
    return sequence->id == id;
  };
  waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(), has_id), waiting_.end());
  for (const std::unique_ptr<Sequence>& sequence : running_) {
    if (sequence->id == id) sequence->finished = true;
  }
  RemoveFinished();
}

}  // namespace sextant
