#include "attention_worker/engine/engine.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace sextant {

Engine::Engine(StepModel& model, LatentCache& cache, Options options)
    : model_(model),
      cache_(cache),
      options_(std::move(options)),
      scheduler_(cache, {.max_batch_tokens = options_.max_batch_tokens,
                         .max_sequences = options_.max_sequences,
                         .prefix_cache = options_.prefix_cache}) {}

// The model may serve another engine.
Engine::~Engine() { DropStepAhead(); }

absl::Status Engine::CheckIds(absl::Span<const std::int32_t> ids) const {
  for (std::int32_t id : ids) {
    if (id < 0 || id >= options_.vocab_size) {
      return absl::InvalidArgumentError(
          absl::StrCat("token id ", id, " is outside the vocabulary; ids go from 0 to ",
                       options_.vocab_size - 1));
    }
  }
  return absl::OkStatus();
}

absl::Status Engine::CheckLength(const GenerationRequest& request) const {
  const auto prompt = static_cast<std::int64_t>(request.prompt_ids.size());
  const auto generated = static_cast<std::int64_t>(request.generated_ids.size());
  if (request.max_tokens < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_tokens is ", request.max_tokens, "; ask for at least 1"));
  }
  if (prompt > options_.max_context || request.max_tokens > options_.max_context - prompt) {
    return absl::InvalidArgumentError(
        absl::StrCat("the prompt of ", prompt, " tokens and ", request.max_tokens,
                     " new ones do not fit the model's context of ", options_.max_context,
                     "; shorten the prompt or ask for fewer tokens"));
  }
  if (generated >= request.max_tokens) {
    return absl::InvalidArgumentError(absl::StrCat("the sequence has generated ", generated,
                                                   " tokens of at most ", request.max_tokens,
                                                   " already; there is nothing left to generate"));
  }
  // The last token is sampled and never fed back, so it needs no place.
  const std::int64_t cached = cache_.shape().num_blocks * cache_.shape().block_tokens;
  if (prompt + request.max_tokens - 1 > cached) {
    return absl::InvalidArgumentError(
        absl::StrCat("the prompt of ", prompt, " tokens and ", request.max_tokens,
                     " new ones do not fit the latent cache of ", cached,
                     " tokens; raise cache_tokens or ask for less"));
  }
  return absl::OkStatus();
}

absl::Status Engine::CheckRequest(const GenerationRequest& request) const {
  if (request.prompt_ids.empty()) {
    return absl::InvalidArgumentError("the prompt is empty; give at least one token");
  }
  RETURN_IF_ERROR(CheckIds(request.prompt_ids));
  RETURN_IF_ERROR(CheckIds(request.generated_ids));
  RETURN_IF_ERROR(CheckLength(request));
  return Validate(request.sampling, options_.vocab_size);
}

absl::StatusOr<std::int64_t> Engine::Submit(GenerationRequest request) {
  RETURN_IF_ERROR(CheckRequest(request));
  if (scheduler_.num_waiting() >= options_.max_waiting) {
    return absl::ResourceExhaustedError(absl::StrCat(
        scheduler_.num_waiting(), " sequences wait for this worker already; ask another one"));
  }
  const std::int64_t id = next_sequence_++;
  scheduler_.Add(std::make_unique<Sequence>(id, std::move(request), cache_));
  return id;
}

absl::StatusOr<std::vector<TokenEvent>> Engine::Step() {
  if (!ahead_.empty()) return FinishStepAhead();
  const StepPlan plan = scheduler_.Plan();
  if (plan.slices.empty()) return std::vector<TokenEvent>();
  if (absl::Status status = model_.Forward(plan.slices); !status.ok()) {
    ++failed_steps_;
    return status;
  }
  if (CanLookAhead(plan) && StartSample(plan.owners, /*unknown=*/0).ok()) {
    LookAhead(plan);
    ASSIGN_OR_RETURN(Tokens tokens, FinishSample());
    return Finish(plan, plan.owners, std::move(tokens));
  }
  std::vector<Sequence*> sampled;
  for (std::size_t i = 0; i < plan.slices.size(); ++i) {
    if (plan.slices[i].num_logits > 0) sampled.push_back(plan.owners[i]);
  }
  ASSIGN_OR_RETURN(Tokens tokens, SampleRows(sampled));
  return Finish(plan, sampled, std::move(tokens));
}

std::vector<TokenEvent> Engine::Finish(const StepPlan& plan, absl::Span<Sequence* const> sampled,
                                       Tokens tokens) {
  scheduler_.Advance(plan);
  ++steps_;
  std::vector<TokenEvent> events;
  events.reserve(sampled.size());
  for (std::size_t i = 0; i < sampled.size(); ++i) {
    events.push_back(Report(*sampled[i], std::move(tokens[i])));
  }
  scheduler_.RemoveFinished();
  return events;
}

absl::Span<const std::int32_t> Engine::BannedIds(const Sequence& sequence) const {
  const auto& own = sequence.request.banned_ids;
  return own != nullptr ? *own : options_.banned_ids;
}

absl::StatusOr<Engine::Tokens> Engine::SampleRows(absl::Span<Sequence* const> owners) {
  std::vector<SampleRow> rows;
  rows.reserve(owners.size());
  for (const Sequence* sequence : owners) {
    rows.push_back({.params = &sequence->request.sampling,
                    .prompt = sequence->request.prompt_ids,
                    .output = sequence->generated,
                    .position = static_cast<std::uint64_t>(sequence->length())});
  }
  Tokens tokens(rows.size());
  // Sequences of one origin share a list of banned ids; nearly always that is all of them.
  for (std::size_t begin = 0; begin < rows.size();) {
    const auto* banned = owners[begin]->request.banned_ids.get();
    std::size_t end = begin + 1;
    while (end < rows.size() && owners[end]->request.banned_ids.get() == banned) ++end;
    const std::size_t count = end - begin;
    RETURN_IF_ERROR(model_.Sample({.first_row = static_cast<std::int64_t>(begin),
                                   .rows = absl::MakeConstSpan(rows).subspan(begin, count),
                                   .banned_ids = BannedIds(*owners[begin]),
                                   .results = absl::MakeSpan(tokens).subspan(begin, count)}));
    begin = end;
  }
  return tokens;
}

TokenEvent Engine::Report(Sequence& sequence, absl::StatusOr<SampledToken> token) {
  TokenEvent event{.sequence = sequence.id, .token = std::move(token), .finish = {}};
  if (!std::exchange(sequence.reported, true)) {
    event.cached_prompt_tokens = sequence.cached_prompt_tokens;
  }
  if (event.token.ok()) {
    sequence.generated.push_back(event.token->id);
    event.finish = sequence.Finish();
    ++generated_tokens_;
  }
  sequence.finished = event.finish.has_value() || !event.token.ok();
  return event;
}

void Engine::Cancel(std::int64_t sequence) { static_cast<void>(scheduler_.Remove(sequence)); }

std::vector<TokenEvent> Engine::FailRunning(const absl::Status& status) {
  std::vector<TokenEvent> events;
  for (const std::unique_ptr<Sequence>& sequence : scheduler_.running()) {
    events.push_back(Report(*sequence, status));
  }
  scheduler_.RemoveFinished();
  return events;
}

EngineStats Engine::stats() const {
  return {.running = static_cast<std::int64_t>(scheduler_.running().size()),
          .waiting = scheduler_.num_waiting(),
          .held_back = scheduler_.num_held_back(),
          .free_blocks = cache_.pool().num_free(),
          .num_blocks = cache_.pool().num_blocks(),
          .steps = steps_,
          .failed_steps = failed_steps_,
          .generated_tokens = generated_tokens_,
          .rows = scheduler_.counts()};
}

}  // namespace sextant
