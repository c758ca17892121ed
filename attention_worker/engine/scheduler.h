// Decides what each step computes, and which sequences have blocks of the latent cache.
//
// A step takes the decode rows of running sequences first, then chunks of what other running ones
// still have to compute (prompts, and generated tokens of a replay), then admits waiting ones,
// all in order of rank (sequence.h) and up to a budget of rows.
//
//   admission   the first in rank starts when the blocks of all its known tokens are free, and one
//               more for each running sequence to grow into; nobody overtakes it. The head of its
//               prompt comes from the prefix cache, but for the last position, whose logits are
//               wanted: a shared block that has it is copied.
//   preemption  a decode row that needs a block when none is free takes those of the last running
//               sequence in rank, which waits again and is computed anew, with the same bits. The
//               first in rank always gets on, so every sequence ends.
//
// Threads:   the engine thread makes every call.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "attention_worker/cache/latent_cache.h"
#include "attention_worker/cache/prefix_cache.h"
#include "attention_worker/engine/sequence.h"
#include "attention_worker/model/step_model.h"

namespace sextant {

// Slices of generated positions come first; a sequence has one at most.
struct StepPlan {
  std::vector<SequenceSlice> slices;
  std::vector<Sequence*> owners;  // of each slice
};

// Rows computed, by kind, and other things that happened, since the start.
struct SchedulerCounts {
  std::int64_t prompt_rows = 0;     // by the prefill path
  std::int64_t generated_rows = 0;  // by the decode path, replayed ones included
  std::int64_t replayed_rows = 0;   // of both paths: computed before, here or elsewhere
  std::int64_t cached_rows = 0;     // not computed, because the prefix cache had them
  std::int64_t admissions = 0;
  std::int64_t preemptions = 0;
};

class Scheduler {
 public:
  struct Options {
    std::int64_t max_batch_tokens = 0;  // rows per step, at least 1
    std::int64_t max_sequences = 0;     // running at once, at least 1
    bool prefix_cache = false;
  };

  // `cache` outlives the scheduler, and has room for each sequence by itself at its longest.
  Scheduler(LatentCache& cache, const Options& options);

  void Add(std::unique_ptr<Sequence> sequence);
  // Forgets a sequence and frees its blocks; false if there is none of that number.
  bool Remove(std::int64_t id);
  void RemoveFinished();

  // The next step. Sequences keep their blocks, so a plan that was not computed is made again.
  [[nodiscard]] StepPlan Plan();
  // The step after `plan`, before the tokens of that are known: each of its sequences goes on by
  // the token that is being chosen for it, in the same order. Those that end with that token have a
  // row for nothing. None where another plan might come next: all of them end, someone else could
  // run, or there is no block for each.
  [[nodiscard]] std::optional<StepPlan> PlanAhead(const StepPlan& plan);

  // The running sequence of that number, or null.
  [[nodiscard]] Sequence* Find(std::int64_t id) const;

  // Tells that the plan has been computed, before tokens are added to its sequences.
  void Advance(const StepPlan& plan);

  [[nodiscard]] std::int64_t num_waiting() const {
    return static_cast<std::int64_t>(waiting_.size());
  }
  // Those of them that the last plan had no place or no blocks for, and who queue behind these; 0
  // when nothing but the budget of a step keeps anybody waiting.
  [[nodiscard]] std::int64_t num_held_back() const { return held_back_ ? num_waiting() : 0; }
  [[nodiscard]] absl::Span<const std::unique_ptr<Sequence>> running() const { return running_; }
  [[nodiscard]] const SchedulerCounts& counts() const { return counts_; }

 private:
  class PlanBuilder;

  void PlanDecodeRows(PlanBuilder& builder);
  void PlanChunks(PlanBuilder& builder);
  void AdmitWaiting(PlanBuilder& builder);
  // Gives the sequence its blocks, or leaves it as it was.
  [[nodiscard]] bool Admit(Sequence& sequence);
  [[nodiscard]] bool TakeBlocks(Sequence& sequence, absl::Span<const std::int32_t> known);
  // Whether the sequence has the block of its next position; else it has been preempted.
  [[nodiscard]] bool MakeRoom(Sequence& sequence);
  void PreemptLast();
  void InsertWaiting(std::unique_ptr<Sequence> sequence);

  LatentCache& cache_;
  Options options_;
  std::unique_ptr<PrefixCache> prefixes_;           // null: not wanted
  std::list<std::unique_ptr<Sequence>> waiting_;    // by rank
  std::vector<std::unique_ptr<Sequence>> running_;  // by rank
  bool preempted_ = false;                          // in the plan that is being made
  bool held_back_ = false;                          // the first in rank did not fit then
  SchedulerCounts counts_;
};

}  // namespace sextant
