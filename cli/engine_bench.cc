#include "cli/engine_bench.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
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
  Runner(LocalEngine& engine, const BenchOptions& options)
      : engine_(engine),
        options_(options),
        counter_(engine.model()),
        prompt_blocks_(engine.cache()) {
    engine_.whole().set_routing_observer(&counter_);
    sampling_.temperature = 0.3F;  // the published model's generation_config.json
    sampling_.top_p = 0.95F;
  }
  ~Runner() { engine_.whole().set_routing_observer(nullptr); }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  absl::Status Prepare();
  absl::Status CheckRepeats(const BenchCase& of);
  struct Timed {
    double seconds = 0;  // of a step
    StepCost cost;
  };
  absl::StatusOr<Timed> Time(const BenchCase& of);

 private:
  absl::Status Forward(const BenchCase& of);
  absl::Status Step(const BenchCase& of);
  [[nodiscard]] std::vector<std::int32_t> TokenIds(std::int64_t count, std::uint32_t seed) const;

  LocalEngine& engine_;
  const BenchOptions& options_;
  ExpertCounter counter_;
  SamplingParams sampling_;
  std::vector<std::int32_t> prompt_;
  SequenceBlocks prompt_blocks_;
  std::vector<Sequence> sequences_;
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

absl::Status Runner::Prepare() {
  std::int64_t longest = 0;
  std::int64_t batch = 0;
  for (const BenchCase& of : options_.cases) {
    std::int64_t& most = of.decode ? batch : longest;
    most = std::max(most, of.rows);
  }
  prompt_ = TokenIds(longest, 1);
  RETURN_IF_ERROR(prompt_blocks_.PrepareWrite(0, longest));
  if (batch == 0) return absl::OkStatus();

  // One context, and a copy of it for each of the others: they share no memory.
  const std::vector<std::int32_t> context = TokenIds(options_.context, 2);
  const std::vector<std::int32_t> first = TokenIds(batch, 3);
  SequenceBlocks blocks(engine_.cache());
  RETURN_IF_ERROR(blocks.PrepareWrite(0, options_.context + 1));
  RETURN_IF_ERROR(engine_.step_model().Forward({{.token_ids = context, .blocks = &blocks}}));
  for (std::int64_t i = 1; i < batch; ++i) {
    Sequence copy(blocks.Fork(options_.context));
    RETURN_IF_ERROR(copy.blocks.PrepareWrite(0, options_.context + 1));
    sequences_.push_back(std::move(copy));
  }
  sequences_.emplace_back(std::move(blocks));
  for (std::size_t i = 0; i < sequences_.size(); ++i) sequences_[i].next = first[i];
  return absl::OkStatus();
}

absl::Status Runner::Forward(const BenchCase& of) {
  if (!of.decode) {
    const auto ids = absl::MakeConstSpan(prompt_).first(static_cast<std::size_t>(of.rows));
    return engine_.step_model().Forward(
        {{.token_ids = ids, .blocks = &prompt_blocks_, .num_logits = 1}});
  }
  std::vector<SequenceSlice> slices;
  for (std::int64_t i = 0; i < of.rows; ++i) {
    const Sequence& sequence = sequences_[static_cast<std::size_t>(i)];
    slices.push_back({.token_ids = absl::MakeConstSpan(&sequence.next, 1),
                      .start = options_.context,
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

absl::Status Runner::CheckRepeats(const BenchCase& of) {
  RETURN_IF_ERROR(Forward(of));
  ASSIGN_OR_RETURN(MatrixView<const float> logits, engine_.step_model().Logits());
  const std::vector<float> first(logits.data, logits.data + logits.rows * logits.cols);
  for (const float value : first) {
    if (!std::isfinite(value)) return absl::InternalError("a logit is not finite");
  }
  RETURN_IF_ERROR(Forward(of));
  ASSIGN_OR_RETURN(logits, engine_.step_model().Logits());
  if (std::memcmp(first.data(), logits.data, first.size() * sizeof(float)) != 0) {
    return absl::InternalError("the same step gave other logits when it was repeated");
  }
  return absl::OkStatus();
}

absl::StatusOr<Runner::Timed> Runner::Time(const BenchCase& of) {
  counter_.Clear();
  const Clock::time_point begin = Clock::now();
  for (std::int64_t step = 0; step < of.steps; ++step) RETURN_IF_ERROR(Step(of));
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  const StepRows rows =
      of.decode ? StepRows{.decode = of.rows, .context = options_.context + 1, .logits = of.rows}
                : StepRows{.prompt = of.rows, .logits = 1};
  return Timed{seconds / static_cast<double>(of.steps),
               CostOfStep(engine_.model(), rows, counter_.PerStep(of.steps),
                          engine_.whole().weight_value_bytes())};
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
  std::int64_t tokens = 2 * kMostBlockTokens;
  for (const BenchCase& of : options.cases) {
    tokens += of.decode ? of.rows * (options.context + 1 + kMostBlockTokens) : of.rows;
  }
  return tokens;
}

absl::StatusOr<BenchReport> RunEngineBench(
    LocalEngine& engine, const BenchOptions& options,
    const std::function<void(const std::string&)>& progress) {
  CHECK_GE(options.rounds, 1);
  Runner runner(engine, options);
  progress("checking");
  RETURN_IF_ERROR(runner.Prepare());
  for (const BenchCase& of : options.cases) RETURN_IF_ERROR(runner.CheckRepeats(of));

  BenchReport report;
  std::vector<Samples> samples(options.cases.size());
  for (int round = 0; round < options.rounds; ++round) {
    ASSIGN_OR_RETURN(Ceilings before, engine.whole().MeasureCeilings());
    for (std::size_t i = 0; i < options.cases.size(); ++i) {
      const BenchCase& of = options.cases[i];
      progress(absl::StrCat("round ", round + 1, " of ", options.rounds, ", ",
                            of.decode ? "decode " : "prefill ", of.rows));
      ASSIGN_OR_RETURN(const Runner::Timed timed, runner.Time(of));
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
  for (std::size_t i = 0; i < options.cases.size(); ++i) {
    report.results.push_back(ResultOf(options.cases[i], samples[i]));
  }
  return report;
}

}  // namespace sextant::cli
