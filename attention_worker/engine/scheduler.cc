#include "attention_worker/engine/scheduler.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"

namespace sextant {

// Collects the slices of one step within its budget of rows.
class Scheduler::PlanBuilder {
 public:
  explicit PlanBuilder(std::int64_t budget) : budget_(budget) {}

  [[nodiscard]] std::int64_t budget() const { return budget_; }

  // The next rows of one path, as many as the budget allows.
  void Add(Sequence& sequence) {
    const bool generated = sequence.computed >= sequence.prompt_length();
    const std::int64_t end = generated ? sequence.length() : sequence.prompt_length();
    const std::int64_t rows = std::min(end - sequence.computed, budget_);
    StepPlan& plan = generated ? generated_ : prompt_;
    plan.slices.push_back({.token_ids = sequence.Next(rows),
                           .start = sequence.computed,
                           .generated = generated,
                           .blocks = &sequence.blocks,
                           .num_logits = sequence.computed + rows == sequence.length() ? 1 : 0});
    plan.owners.push_back(&sequence);
    budget_ -= rows;
  }

  [[nodiscard]] StepPlan Take() && {
    generated_.slices.insert(generated_.slices.end(), prompt_.slices.begin(), prompt_.slices.end());
    generated_.owners.insert(generated_.owners.end(), prompt_.owners.begin(), prompt_.owners.end());
    return std::move(generated_);
  }

 private:
  std::int64_t budget_;
  StepPlan generated_;
  StepPlan prompt_;
};

Scheduler::Scheduler(LatentCache& cache, const Options& options)
    : cache_(cache), options_(options) {
  CHECK_GE(options_.max_batch_tokens, 1);
  CHECK_GE(options_.max_sequences, 1);
  if (options_.prefix_cache) prefixes_ = std::make_unique<PrefixCache>(cache);
}

void Scheduler::Add(std::unique_ptr<Sequence> sequence) { InsertWaiting(std::move(sequence)); }

void Scheduler::InsertWaiting(std::unique_ptr<Sequence> sequence) {
  // Most come last of their priority, so look from the end.
  auto place = waiting_.end();
  while (place != waiting_.begin() && RanksBefore(*sequence, **std::prev(place))) --place;
  waiting_.insert(place, std::move(sequence));
}

bool Scheduler::Remove(std::int64_t id) {
  const auto has_id = [id](const std::unique_ptr<Sequence>& sequence) {
    return sequence->id == id;
  };
  if (const auto running = std::find_if(running_.begin(), running_.end(), has_id);
      running != running_.end()) {
    running_.erase(running);
    return true;
  }
  const auto waiting = std::find_if(waiting_.begin(), waiting_.end(), has_id);
  if (waiting == waiting_.end()) return false;
  waiting_.erase(waiting);
  return true;
}

void Scheduler::RemoveFinished() {
  const auto finished = [](const std::unique_ptr<Sequence>& sequence) {
    return sequence->finished;
  };
  running_.erase(std::remove_if(running_.begin(), running_.end(), finished), running_.end());
}

StepPlan Scheduler::Plan() {
  PlanBuilder builder(options_.max_batch_tokens);
  preempted_ = false;
  PlanDecodeRows(builder);
  PlanChunks(builder);
  // What was just preempted would take back what it was preempted for.
  held_back_ = preempted_;
  if (!preempted_) AdmitWaiting(builder);
  return std::move(builder).Take();
}

std::optional<StepPlan> Scheduler::PlanAhead(const StepPlan& plan) {
  if (plan.slices.size() != running_.size() || num_held_back() < num_waiting()) return std::nullopt;
  std::int32_t needed = 0;
  bool goes_on = false;
  for (const Sequence* sequence : plan.owners) {
    if (!sequence->decoding()) return std::nullopt;
    goes_on = goes_on || !sequence->EndsWithNext();
    const std::int64_t next = sequence->length();
    needed += sequence->blocks.BlocksNeeded(next, next + 1);
  }
  if (!goes_on || needed > cache_.pool().num_free()) return std::nullopt;
  static constexpr std::int32_t kUnknownToken = 0;
  StepPlan ahead{.slices = {}, .owners = plan.owners};
  for (Sequence* sequence : plan.owners) {
    const std::int64_t next = sequence->length();
    const absl::Status taken = sequence->blocks.PrepareWrite(next, next + 1);
    CHECK(taken.ok());
    ahead.slices.push_back({.token_ids = absl::MakeConstSpan(&kUnknownToken, 1),
                            .sampled_token = true,
                            .start = next,
                            .generated = true,
                            .blocks = &sequence->blocks,
                            .num_logits = 1});
  }
  return ahead;
}

Sequence* Scheduler::Find(std::int64_t id) const {
  const auto found =
      std::find_if(running_.begin(), running_.end(),
                   [id](const std::unique_ptr<Sequence>& sequence) { return sequence->id == id; });
  return found == running_.end() ? nullptr : found->get();
}

void Scheduler::PlanDecodeRows(PlanBuilder& builder) {
  // Preemption shortens running_ from its end, so never by a sequence that has its row already.
  for (std::size_t i = 0; i < running_.size() && builder.budget() > 0; ++i) {
    Sequence& sequence = *running_[i];
    if (sequence.decoding() && MakeRoom(sequence)) builder.Add(sequence);
  }
}

void Scheduler::PlanChunks(PlanBuilder& builder) {
  for (const std::unique_ptr<Sequence>& sequence : running_) {
    if (builder.budget() == 0) return;
    if (!sequence->decoding()) builder.Add(*sequence);
  }
}

void Scheduler::AdmitWaiting(PlanBuilder& builder) {
  while (!waiting_.empty() && builder.budget() > 0) {
    Sequence& sequence = *waiting_.front();
    const bool has_place = static_cast<std::int64_t>(running_.size()) < options_.max_sequences;
    if (!has_place || !Admit(sequence)) {
      held_back_ = true;
      return;
    }
    builder.Add(sequence);
    const auto place = std::find_if(running_.begin(), running_.end(), [&](const auto& other) {
      return RanksBefore(sequence, *other);
    });
    running_.insert(place, std::move(waiting_.front()));
    waiting_.pop_front();
  }
}

bool Scheduler::Admit(Sequence& sequence) {
  std::vector<std::int32_t> known;
  if (prefixes_ != nullptr) known = prefixes_->Find(sequence.request.prompt_ids);
  bool admitted = TakeBlocks(sequence, known);
  const auto whole = static_cast<std::int64_t>(known.size()) * cache_.shape().block_tokens;
  if (!admitted && !known.empty() && whole == sequence.prompt_length()) {
    // There may be no room for a copy of the last block beside the block itself.
    known.pop_back();
    admitted = TakeBlocks(sequence, known);
  }
  if (!admitted) return false;
  sequence.cached_prompt_tokens = sequence.computed;
  counts_.cached_rows += sequence.computed;
  ++counts_.admissions;
  return true;
}

bool Scheduler::TakeBlocks(Sequence& sequence, absl::Span<const std::int32_t> known) {
  const auto cached = static_cast<std::int64_t>(known.size()) * cache_.shape().block_tokens;
  const std::int64_t computed = std::min(cached, sequence.prompt_length() - 1);
  sequence.blocks.Adopt(known);
  const auto growth = static_cast<std::int32_t>(running_.size());
  const std::int32_t needed = sequence.blocks.BlocksNeeded(computed, sequence.length());
  if (needed > cache_.pool().num_free() - growth) {
    sequence.blocks.Clear();
    return false;
  }
  const absl::Status taken = sequence.blocks.PrepareWrite(computed, sequence.length());
  CHECK(taken.ok());
  sequence.computed = computed;
  return true;
}

bool Scheduler::MakeRoom(Sequence& sequence) {
  const std::int64_t next = sequence.computed;
  while (sequence.blocks.BlocksNeeded(next, next + 1) > cache_.pool().num_free()) {
    const bool itself = running_.back().get() == &sequence;
    PreemptLast();
    if (itself) return false;
  }
  const absl::Status taken = sequence.blocks.PrepareWrite(next, next + 1);
  CHECK(taken.ok());
  return true;
}

void Scheduler::PreemptLast() {
  std::unique_ptr<Sequence> last = std::move(running_.back());
  running_.pop_back();
  last->blocks.Clear();
  last->computed_before = std::max(last->computed_before, last->computed);
  last->computed = 0;
  preempted_ = true;
  ++counts_.preemptions;
  InsertWaiting(std::move(last));
}

void Scheduler::Advance(const StepPlan& plan) {
  for (std::size_t i = 0; i < plan.slices.size(); ++i) {
    Sequence& sequence = *plan.owners[i];
    const auto rows = static_cast<std::int64_t>(plan.slices[i].token_ids.size());
    const bool generated = plan.slices[i].generated;
    (generated ? counts_.generated_rows : counts_.prompt_rows) += rows;
    counts_.replayed_rows +=
        std::clamp<std::int64_t>(sequence.computed_before - sequence.computed, 0, rows);
    sequence.computed += rows;
    if (generated || prefixes_ == nullptr) continue;
    const auto full = static_cast<std::size_t>(sequence.computed / cache_.shape().block_tokens);
    prefixes_->Insert(sequence.request.prompt_ids, sequence.blocks.table().first(full));
  }
}

}  // namespace sextant
