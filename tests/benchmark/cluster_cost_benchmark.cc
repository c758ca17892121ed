// What the cluster costs: the same requests answered together by the engine in this process and by
// clusters of processes on this host, in turns; the rates of their decoding beside each other.
//
//   cluster_cost_benchmark MODEL [--batch 8] [--rounds 5] [--threads 2] [--cluster YAML]...
//
// Each --cluster is the text of a configuration for `sextant up`, one attention and two expert
// workers unless it says otherwise; without any there is one, with the defaults. The answers must
// be the same everywhere, else nothing is printed but the error. Decoding is timed from the moment
// when every sequence has its first token until the first one ends.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "cli/client/inference_client.h"
#include "cli/engine/local_engine.h"
#include "cli/load/load_run.h"
#include "common/base/status.h"
#include "tests/integration/cluster/up_process.h"

namespace sextant {
namespace {

using Clock = std::chrono::steady_clock;

struct Flags {
  std::string model;
  std::int64_t batch = 8;
  std::int64_t rounds = 5;
  std::int64_t threads = 2;
  std::int64_t prompt_tokens = 128;
  std::int32_t max_tokens = 64;
  std::vector<std::string> clusters;
};

// The tokens of some sequences in the order of their coming.
class Arrivals {
 public:
  explicit Arrivals(std::int64_t sequences) : ids_(static_cast<std::size_t>(sequences)) {}

  void Add(std::size_t sequence, std::int32_t id) {
    const auto all_begun = [this] {
      return std::none_of(ids_.begin(), ids_.end(), [](const auto& ids) { return ids.empty(); });
    };
    const bool begun = all_begun();
    ids_[sequence].push_back(id);
    if (ended_) return;
    if (!begun && all_begun()) {
      from_ = Clock::now();
    } else if (begun) {
      ++tokens_;
      until_ = Clock::now();
    }
  }

  void End() { ended_ = true; }

  [[nodiscard]] double tokens_per_s() const {
    return static_cast<double>(tokens_) / std::chrono::duration<double>(until_ - from_).count();
  }
  [[nodiscard]] const std::vector<std::vector<std::int32_t>>& ids() const { return ids_; }

 private:
  std::vector<std::vector<std::int32_t>> ids_;
  Clock::time_point from_;
  Clock::time_point until_;
  std::int64_t tokens_ = 0;  // between the two
  bool ended_ = false;
};

class Benchmark {
 public:
  static absl::StatusOr<std::unique_ptr<Benchmark>> Start(const Flags& flags);
  absl::Status Run();

 private:
  explicit Benchmark(const Flags& flags) : flags_(flags) {}

  absl::StatusOr<Arrivals> AskEngine(std::uint64_t seed);
  absl::StatusOr<Arrivals> AskCluster(const std::string& target, std::uint64_t seed) const;
  [[nodiscard]] std::vector<v1::GenerateRequest> Requests(std::uint64_t seed) const;

  const Flags flags_;
  std::unique_ptr<cli::LocalEngine> engine_;
  std::vector<std::unique_ptr<UpProcess>> clusters_;
};

absl::StatusOr<std::unique_ptr<Benchmark>> Benchmark::Start(const Flags& flags) {
  std::unique_ptr<Benchmark> benchmark(new Benchmark(flags));
  EngineConfig config;
  config.threads = flags.threads;
  ASSIGN_OR_RETURN(benchmark->engine_, cli::LocalEngine::Open(flags.model, config));
  for (const std::string& yaml : flags.clusters) {
    ASSIGN_OR_RETURN(std::unique_ptr<UpProcess> up,
                     UpProcess::Start({.model = flags.model, .yaml = absl::StrCat(yaml, "\n")}));
    benchmark->clusters_.push_back(std::move(up));
  }
  return benchmark;
}

std::vector<v1::GenerateRequest> Benchmark::Requests(std::uint64_t seed) const {
  const cli::LoadOptions options{.requests = flags_.batch,
                                 .concurrency = static_cast<int>(flags_.batch),
                                 .prompt_tokens = flags_.prompt_tokens,
                                 .max_tokens = flags_.max_tokens,
                                 .seed = seed,
                                 .vocab_size = engine_->model().vocab_size};
  std::vector<v1::GenerateRequest> requests;
  for (std::int64_t i = 0; i < flags_.batch; ++i) {
    requests.push_back(cli::MakeLoadRequest(options, i));
  }
  return requests;
}

absl::StatusOr<Arrivals> Benchmark::AskEngine(std::uint64_t seed) {
  Engine engine = engine_->MakeEngine({});
  Arrivals arrivals(flags_.batch);
  for (const v1::GenerateRequest& request : Requests(seed)) {
    GenerationRequest wanted;
    wanted.max_tokens = request.params().max_tokens();
    wanted.prompt_ids.assign(request.token_ids().ids().begin(), request.token_ids().ids().end());
    wanted.sampling.temperature = 0;
    RETURN_IF_ERROR(engine.Submit(std::move(wanted)).status());
  }
  while (!engine.idle()) {
    ASSIGN_OR_RETURN(const std::vector<TokenEvent> events, engine.Step());
    for (const TokenEvent& event : events) {
      RETURN_IF_ERROR(event.token.status());
      arrivals.Add(static_cast<std::size_t>(event.sequence), event.token->id);
    }
    for (const TokenEvent& event : events) {
      if (event.finish.has_value()) arrivals.End();
    }
  }
  return arrivals;
}

absl::StatusOr<Arrivals> Benchmark::AskCluster(const std::string& target,
                                               std::uint64_t seed) const {
  std::mutex mutex;
  std::condition_variable changed;
  Arrivals arrivals(flags_.batch);
  std::int64_t ended = 0;
  absl::Status status;
  cli::InferenceClient client(target);
  const std::vector<v1::GenerateRequest> requests = Requests(seed);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    static_cast<void>(client.Generate(
        requests[i], {.timeout = absl::Minutes(5)},
        [&, i](const v1::GenerateResponse& piece) {
          const std::lock_guard<std::mutex> lock(mutex);
          for (const std::int32_t id : piece.token_ids()) arrivals.Add(i, id);
        },
        [&](const absl::Status& how) {
          const std::lock_guard<std::mutex> lock(mutex);
          arrivals.End();
          status.Update(how);
          ++ended;
          changed.notify_one();
        }));
  }
  std::unique_lock<std::mutex> lock(mutex);
  changed.wait(lock, [&] { return ended == flags_.batch; });
  if (!status.ok()) return status;
  return arrivals;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

absl::Status Benchmark::Run() {
  std::vector<double> alone;
  std::vector<std::vector<double>> rates(clusters_.size());
  std::vector<std::vector<double>> ratios(clusters_.size());
  for (std::int64_t round = 0; round <= flags_.rounds; ++round) {
    const auto seed = static_cast<std::uint64_t>(1000 + round);  // new prompts: nothing is cached
    ASSIGN_OR_RETURN(const Arrivals before, AskEngine(seed));
    std::vector<Arrivals> got;
    for (const auto& cluster : clusters_) {
      ASSIGN_OR_RETURN(Arrivals arrivals, AskCluster(cluster->target(), seed));
      if (arrivals.ids() != before.ids()) return absl::InternalError("the answers differ");
      got.push_back(std::move(arrivals));
    }
    ASSIGN_OR_RETURN(const Arrivals after, AskEngine(seed));
    if (round == 0) continue;  // pages, pools and connections are there from now on
    const double here = (before.tokens_per_s() + after.tokens_per_s()) / 2;
    alone.push_back(here);
    for (std::size_t i = 0; i < got.size(); ++i) {
      rates[i].push_back(got[i].tokens_per_s());
      ratios[i].push_back(got[i].tokens_per_s() / here);
    }
  }
  std::printf("batch %lld, %lld rounds, medians\n", static_cast<long long>(flags_.batch),
              static_cast<long long>(flags_.rounds));
  std::printf("  one process, %lld threads: %.1f tokens/s\n",
              static_cast<long long>(flags_.threads), Median(alone));
  for (std::size_t i = 0; i < clusters_.size(); ++i) {
    const auto [least, most] = std::minmax_element(ratios[i].begin(), ratios[i].end());
    std::printf("  cluster of %s: %.1f tokens/s, %.1f%% of it (%.1f%% to %.1f%%)\n",
                flags_.clusters[i].empty() ? "the defaults" : flags_.clusters[i].c_str(),
                Median(rates[i]), 100 * Median(ratios[i]), 100 * *least, 100 * *most);
  }
  return absl::OkStatus();
}

absl::Status Main(const Flags& flags) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Benchmark> benchmark, Benchmark::Start(flags));
  return benchmark->Run();
}

}  // namespace
}  // namespace sextant

int main(int argc, char** argv) {
  CLI::App app{"Decoding by a cluster of processes beside decoding in one process"};
  sextant::Flags flags;
  app.add_option("model", flags.model, "The model's folder")->required();
  app.add_option("--batch", flags.batch, "Sequences decoded together")->check(CLI::Range(1, 64));
  app.add_option("--rounds", flags.rounds, "Of both, in turns")->check(CLI::Range(1, 1000));
  app.add_option("--threads", flags.threads, "Of the one process")->check(CLI::Range(1, 1024));
  app.add_option("--prompt-tokens", flags.prompt_tokens, "Of each request")
      ->check(CLI::Range(1, 10000));
  app.add_option("--max-tokens", flags.max_tokens, "Of each answer")->check(CLI::Range(2, 10000));
  app.add_option("--cluster", flags.clusters, "Configuration of a cluster (YAML)");
  CLI11_PARSE(app, argc, argv);
  if (flags.clusters.empty()) flags.clusters.emplace_back();
  for (std::string& yaml : flags.clusters) absl::StrReplaceAll({{"\\n", "\n"}}, &yaml);
  const absl::Status status = sextant::Main(flags);
  if (status.ok()) return 0;
  std::fprintf(stderr, "error: %s\n", status.ToString().c_str());
  return 1;
}
