#include <algorithm>
#include <utility>

#include "attention_worker/engine/engine.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace sextant {
namespace {

// Whether the choice after a token needs that token from the host.
bool HasPenalties(const SamplingParams& params) {
  return params.repetition_penalty != 1.0F || params.presence_penalty != 0.0F ||
         params.frequency_penalty != 0.0F;
}

}  // namespace

bool Engine::CanLookAhead(const StepPlan& plan) const {
  if (!model_.looks_ahead()) return false;
  const auto* banned = plan.owners.front()->request.banned_ids.get();
  return std::all_of(plan.owners.begin(), plan.owners.end(), [banned](const Sequence* sequence) {
    return sequence->decoding() && sequence->request.banned_ids.get() == banned &&
           !HasPenalties(sequence->request.sampling);
  });
}

absl::Status Engine::StartSample(absl::Span<Sequence* const> owners, std::int64_t unknown) {
  std::vector<SampleRow> rows;
  rows.reserve(owners.size());
  for (const Sequence* sequence : owners) {
    rows.push_back({.params = &sequence->request.sampling,
                    .position = static_cast<std::uint64_t>(sequence->length() + unknown)});
  }
  return model_.StartSample(
      {.rows = rows, .banned_ids = BannedIds(*owners.front()), .results = {}});
}

void Engine::LookAhead(const StepPlan& plan) {
  const std::optional<StepPlan> next = scheduler_.PlanAhead(plan);
  if (!next.has_value()) return;
  // What fails here is tried again, and told, by the step whose turn it is.
  if (!model_.Forward(next->slices).ok() || !StartSample(plan.owners, /*unknown=*/1).ok()) return;
  for (const Sequence* sequence : plan.owners) ahead_.push_back(sequence->id);
}

absl::StatusOr<Engine::Tokens> Engine::FinishSample() {
  absl::StatusOr<Tokens> tokens = model_.FinishSample();
  if (!tokens.ok()) {
    ++failed_steps_;
    DropStepAhead();  // it went on from tokens that nobody has got
  }
  return tokens;
}

void Engine::DropStepAhead() {
  if (ahead_.empty()) return;
  ahead_.clear();
  static_cast<void>(model_.FinishSample());
}

absl::StatusOr<std::vector<TokenEvent>> Engine::FinishStepAhead() {
  const std::vector<std::int64_t> sequences = std::exchange(ahead_, {});
  StepPlan plan;
  std::vector<std::size_t> rows;
  for (std::size_t row = 0; row < sequences.size(); ++row) {
    Sequence* sequence = scheduler_.Find(sequences[row]);
    if (sequence == nullptr) continue;
    CHECK(sequence->decoding());
    plan.slices.push_back({.token_ids = sequence->Next(1),
                           .start = sequence->computed,
                           .generated = true,
                           .blocks = &sequence->blocks,
                           .num_logits = 1});
    plan.owners.push_back(sequence);
    rows.push_back(row);
  }
  if (rows.size() == sequences.size()) LookAhead(plan);
  ASSIGN_OR_RETURN(Tokens all, FinishSample());
  if (rows.empty()) return Step();
  Tokens tokens;
  for (const std::size_t row : rows) tokens.push_back(std::move(all[row]));
  return Finish(plan, plan.owners, std::move(tokens));
}

}  // namespace sextant
