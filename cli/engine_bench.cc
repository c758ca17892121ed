#include "cli/engine_bench.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/engine/process_status.h"
#include "common/base/check.h"
#include "common/base/status.h"
#include "kernels/ceiling/ceiling.h"

namespace sextant::cli {
namespace {

using Clock = std::chrono::steady_clock;

// Counts what the steps since Clear have chosen, layer by layer.
class ExpertCounter final : public RoutingObserver {
 public:
  explicit ExpertCounter(const ModelConfig& config)
      : seen_(static_cast<std::size_t>(config.n_routed_experts)),
        loads_(static_cast<std::size_t>(config.num_hidden_layers)) {}

  void OnRouting(int layer, MatrixView<const std::int32_t> expert_ids,
                 MatrixView<const float> /*weights*/) override {
    std::fill(seen_.begin(), seen_.end(), false);
    for (std::int64_t row = 0; row < expert_ids.rows; ++row) {
      for (std::int64_t k = 0; k < expert_ids.cols; ++k) {
        seen_[static_cast<std::size_t>(expert_ids.Row(row)[k])] = true;
      }
    }
    ExpertLoad& load = loads_[static_cast<std::size_t>(layer)];
    load.rows += static_cast<double>(expert_ids.rows * expert_ids.cols);
    load.experts += static_cast<double>(std::count(seen_.begin(), seen_.end(), true));
  }

  void Clear() { std::fill(loads_.begin(), loads_.end(), ExpertLoad{}); }
  // One step's part of what so many steps chose together, for the layers that have experts.
  [[nodiscard]] std::vector<ExpertLoad> PerStep(std::int64_t steps) const {
    std::vector<ExpertLoad> mean;
    for (const ExpertLoad& load : loads_) {
      if (load.rows == 0) continue;
      mean.push_back({.rows = load.rows / static_cast<double>(steps),
                      .experts = load.experts / static_cast<double>(steps)});
    }
    return mean;
  }

 private:
  std::vector<bool> seen_;
  std::vector<ExpertLoad> loads_;
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

struct Sequence {
  explicit Sequence(SequenceBlocks blocks_in) : blocks(std::move(blocks_in)) {}
  SequenceBlocks blocks;
  std::int32_t next = 0;  // the token to compute
};

Ceilings MeanOf(const Ceilings& a, const Ceilings& b) {
  return {(a.read_bytes_per_s + b.read_bytes_per_s) / 2,
          (a.product_flops_per_s + b.product_flops_per_s) / 2};
}

class Runner {
 public:
  explicit Runner(LocalEngine& engine) : engine_(engine), counter_(engine.model()) {
    sampling_.temperature = 0.3F;  // the published model's generation_config.json
    sampling_.top_p = 0.95F;
  }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // What a case starts from: a prompt, or sequences with their contexts.
  absl::Status Prepare(const BenchCase& of);
  absl::Status CheckRepeats(const BenchCase& of);
  struct Timed {
    double seconds = 0;  // of a step
    StepCost cost;
  };
  absl::StatusOr<Timed> Time(const BenchCase& of);
  // After Time of the same case, whose routing it takes for its own.
  absl::StatusOr<std::vector<KernelTime>> TimeKernels(const BenchCase& of);

 private:
  absl::Status PrepareSequences(const BenchCase& of);
  absl::Status ReadContext(absl::Span<const std::int32_t> ids, const SequenceBlocks& blocks);
  absl::Status Forward(const BenchCase& of);
  absl::Status Steps(const BenchCase& of);
  absl::Status Step(const BenchCase& of);
  [[nodiscard]] std::vector<std::int32_t> TokenIds(std::int64_t count, std::uint32_t seed) const;

  LocalEngine& engine_;
  ExpertCounter counter_;
  SamplingParams sampling_;
  std::vector<std::int32_t> prompt_;
  std::vector<Sequence> sequences_;  // of decode cases; of a prompt: its own
  std::int64_t context_ = -1;        // that they have
};

std::vector<std::int32_t> Runner::TokenIds(std::int64_t count, std::uint32_t seed) const {
  std::vector<std::int32_t> ids(static_cast<std::size_t>(count));
  std::uint32_t state = seed;
  for (std::int32_t& id : ids) {
    state = state * 1664525U + 1013904223U;
    id = static_cast<std::int32_t>((state >> 8) %
                                   static_cast<std::uint32_t>(engine_.model().vocab_size));
  }
  return ids;
}

absl::Status Runner::Prepare(const BenchCase& of) {
  if (of.decode) return PrepareSequences(of);
  sequences_.clear();
  context_ = -1;
  prompt_ = TokenIds(of.rows, 1);
  sequences_.emplace_back(SequenceBlocks(engine_.cache()));
  return sequences_.front().blocks.PrepareWrite(0, of.rows);
}

absl::Status Runner::PrepareSequences(const BenchCase& of) {
  if (context_ == of.context && static_cast<std::int64_t>(sequences_.size()) == of.rows) {
    return absl::OkStatus();
  }
  sequences_.clear();
  context_ = of.context;
  // One context, and a copy of it for each of the others: they share no memory.
  const std::vector<std::int32_t> context = TokenIds(of.context, 2);
  const std::vector<std::int32_t> first = TokenIds(of.rows, 3);
  SequenceBlocks blocks(engine_.cache());
  RETURN_IF_ERROR(blocks.PrepareWrite(0, of.context + 1));
  RETURN_IF_ERROR(ReadContext(context, blocks));
  for (std::int64_t i = 1; i < of.rows; ++i) {
    Sequence copy(blocks.Fork(of.context));
    RETURN_IF_ERROR(copy.blocks.PrepareWrite(0, of.context + 1));
    sequences_.push_back(std::move(copy));
  }
  sequences_.emplace_back(std::move(blocks));
  for (std::size_t i = 0; i < sequences_.size(); ++i) sequences_[i].next = first[i];
  return absl::OkStatus();
}

absl::Status Runner::ReadContext(absl::Span<const std::int32_t> ids, const SequenceBlocks& blocks) {
  const auto chunk = static_cast<std::size_t>(engine_.config().max_batch_tokens);
  for (std::size_t begin = 0; begin < ids.size(); begin += chunk) {
    RETURN_IF_ERROR(engine_.step_model().Forward({{.token_ids = ids.subspan(begin, chunk),
                                                   .start = static_cast<std::int64_t>(begin),
                                                   .blocks = &blocks}}));
  }
  return absl::OkStatus();
}

absl::Status Runner::Forward(const BenchCase& of) {
  if (!of.decode) {
    return engine_.step_model().Forward(
        {{.token_ids = prompt_, .blocks = &sequences_.front().blocks, .num_logits = 1}});
  }
  std::vector<SequenceSlice> slices;
  for (const Sequence& sequence : sequences_) {
    slices.push_back({.token_ids = absl::MakeConstSpan(&sequence.next, 1),
                      .start = of.context,
                      .generated = true,
                      .blocks = &sequence.blocks,
                      .num_logits = 1});
  }
  return engine_.step_model().Forward(slices);
}

absl::Status Runner::Step(const BenchCase& of) {
  RETURN_IF_ERROR(Forward(of));
  std::vector<SampleRow> rows(of.decode ? static_cast<std::size_t>(of.rows) : 1);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = {.params = &sampling_, .position = i};
  std::vector<absl::StatusOr<SampledToken>> tokens(rows.size());
  RETURN_IF_ERROR(engine_.step_model().Sample({.rows = rows, .results = absl::MakeSpan(tokens)}));
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    RETURN_IF_ERROR(tokens[i].status());
    if (of.decode) sequences_[i].next = tokens[i]->id;
  }
  return absl::OkStatus();
}

// The logits of the last step, packed; Internal when one is not finite.
absl::StatusOr<std::vector<float>> FiniteLogits(StepModel& model) {
  ASSIGN_OR_RETURN(const MatrixView<const float> logits, model.Logits());
  std::vector<float> packed;
  for (std::int64_t row = 0; row < logits.rows; ++row) {
    packed.insert(packed.end(), logits.Row(row), logits.Row(row) + logits.cols);
  }
  const bool finite =
      std::all_of(packed.begin(), packed.end(), [](float value) { return std::isfinite(value); });
  if (!finite) return absl::InternalError("a logit is not finite");
  return packed;
}

absl::Status Runner::CheckRepeats(const BenchCase& of) {
  RETURN_IF_ERROR(Forward(of));
  ASSIGN_OR_RETURN(const std::vector<float> first, FiniteLogits(engine_.step_model()));
  RETURN_IF_ERROR(Forward(of));
  ASSIGN_OR_RETURN(const std::vector<float> second, FiniteLogits(engine_.step_model()));
  if (std::memcmp(first.data(), second.data(), first.size() * sizeof(float)) != 0) {
    return absl::InternalError("the same step gave other logits when it was repeated");
  }
  return absl::OkStatus();
}

absl::Status Runner::Steps(const BenchCase& of) {
  for (std::int64_t step = 0; step < of.steps; ++step) RETURN_IF_ERROR(Step(of));
  return absl::OkStatus();
}

absl::StatusOr<Runner::Timed> Runner::Time(const BenchCase& of) {
  WholeModel& whole = engine_.whole();
  counter_.Clear();
  whole.set_routing_observer(&counter_);
  std::int64_t counted = of.steps;
  if (whole.is_slow_when_observed()) {
    // Another step than those that are timed, of other tokens, that goes to as many experts.
    RETURN_IF_ERROR(Step(of));
    counted = 1;
    whole.set_routing_observer(nullptr);
  }
  const Clock::time_point begin = Clock::now();
  const absl::Status status = Steps(of);
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  whole.set_routing_observer(nullptr);
  RETURN_IF_ERROR(status);
  const StepRows rows =
      of.decode ? StepRows{.decode = of.rows, .context = of.context + 1, .logits = of.rows}
                : StepRows{.prompt = of.rows, .logits = 1};
  return Timed{
      seconds / static_cast<double>(of.steps),
      CostOfStep(engine_.model(), rows, counter_.PerStep(counted), whole.weight_value_bytes())};
}

absl::StatusOr<std::vector<KernelTime>> Runner::TimeKernels(const BenchCase& of) {
  StepFacts facts{.context = static_cast<double>(of.context + 1)};
  const std::vector<ExpertLoad> loads = counter_.PerStep(1);
  for (const ExpertLoad& load : loads) {
    facts.experts += load.experts / static_cast<double>(loads.size());
  }
  return engine_.whole().TimeKernels(facts, [this, &of] { return Step(of); });
}

// What the rounds measured of one case.
struct Samples {
  std::vector<double> seconds, flops, bytes, reads, products, shares;
};

BenchResult ResultOf(const BenchCase& of, const Samples& samples) {
  BenchResult result{.of = of,
                     .seconds = Median(samples.seconds),
                     .flops = Median(samples.flops),
                     .bytes = Median(samples.bytes),
                     .read_bytes_per_s = Median(samples.reads),
                     .product_flops_per_s = Median(samples.products),
                     .share = Median(samples.shares)};
  result.tokens_per_s = static_cast<double>(of.rows) / result.seconds;
  return result;
}

}  // namespace

std::int64_t CacheTokensFor(const BenchOptions& options) {
  constexpr std::int64_t kMostBlockTokens = 256;  // every sequence rounds up to whole blocks
  std::int64_t tokens = 0;
  for (const BenchCase& of : options.cases) {
    const std::int64_t taken =
        of.decode ? of.rows * (of.context + 1 + kMostBlockTokens) : of.rows + kMostBlockTokens;
    tokens = std::max(tokens, taken);
  }
  return tokens;
}

absl::StatusOr<BenchReport> RunEngineBench(
    LocalEngine& engine, const BenchOptions& options,
    const std::function<void(const std::string&)>& progress) {
  CHECK_GE(options.rounds, 1);
  Runner runner(engine);
  BenchReport report;
  std::vector<Samples> samples(options.cases.size());
  std::vector<std::vector<KernelTime>> kernels(options.cases.size());
  for (int round = 0; round < options.rounds; ++round) {
    ASSIGN_OR_RETURN(Ceilings before, engine.whole().MeasureCeilings());
    for (std::size_t i = 0; i < options.cases.size(); ++i) {
      const BenchCase& of = options.cases[i];
      progress(absl::StrCat("round ", round + 1, " of ", options.rounds, ", ",
                            of.decode ? "decode " : "prefill ", of.rows));
      RETURN_IF_ERROR(runner.Prepare(of));
      if (round == 0) RETURN_IF_ERROR(runner.CheckRepeats(of));
      ASSIGN_OR_RETURN(const Runner::Timed timed, runner.Time(of));
      if (round == 0 && options.kernels) {
        ASSIGN_OR_RETURN(kernels[i], runner.TimeKernels(of));
      }
      ASSIGN_OR_RETURN(const std::int64_t memory, engine.whole().WorkspaceBytes());
      report.memory_bytes = std::max(report.memory_bytes, memory);
      ASSIGN_OR_RETURN(const Ceilings after, engine.whole().MeasureCeilings());
      const Ceilings ceiling = MeanOf(before, after);
      before = after;
      Samples& of_case = samples[i];
      of_case.seconds.push_back(timed.seconds);
      of_case.flops.push_back(timed.cost.flops);
      of_case.bytes.push_back(timed.cost.bytes);
      of_case.reads.push_back(ceiling.read_bytes_per_s);
      of_case.products.push_back(ceiling.product_flops_per_s);
      of_case.shares.push_back(
          FloorSeconds(timed.cost, ceiling.read_bytes_per_s, ceiling.product_flops_per_s) /
          timed.seconds);
    }
  }
  report.huge_file_share = HugeFileShare();
  for (std::size_t i = 0; i < options.cases.size(); ++i) {
    report.results.push_back(ResultOf(options.cases[i], samples[i]));
    report.results.back().kernels = std::move(kernels[i]);
  }
  return report;
}

}  // namespace sextant::cli
