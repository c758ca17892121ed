// chaos: streams without end on a cluster of processes that are killed, frozen, slowed down and
// scaled meanwhile. No stream may fail, and each must get the bytes of an undisturbed run.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/base/status.h"
#include "tests/chaos/disturbance_plan.h"
#include "tests/chaos/disturbed_cluster.h"
#include "tests/chaos/endless_streams.h"
#include "tests/chaos/event_lines.h"
#include "tests/chaos/stall_report.h"

namespace sextant::chaos {
namespace {

// A gap that begins later than this after a disturbance has another reason.
constexpr absl::Duration kAftermath = absl::Seconds(2);
constexpr absl::Duration kWorthShowing = absl::Milliseconds(700);  // with --events
constexpr absl::Duration kLongestRecovery = absl::Seconds(60);
constexpr int kShortAnswer = 16;                           // tokens
constexpr absl::Duration kLook = absl::Milliseconds(100);  // between two looks at the events
constexpr absl::Duration kStarveStopped = absl::Milliseconds(150);
constexpr absl::Duration kStarveRunning = absl::Milliseconds(30);

struct Flags {
  std::string model;
  std::uint64_t seed = 0;
  double seconds = 60;
  double interval = 2;
  int streams = 16;
  int attention = 2;
  int experts = 4;
  int max_tokens = 400;
  std::vector<int> scale = {1, 8, 3, 4};
  double worst_stall = 0;
  double router_limit = 0;
  bool events = false;
};

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--model", flags.model, "The model's folder")->required();
  app.add_option("--seed", flags.seed, "Of the disturbances; the same one repeats them [random]");
  app.add_option("--seconds", flags.seconds, "How long")->capture_default_str();
  app.add_option("--interval", flags.interval, "Seconds between two faults")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 60.0));
  app.add_option("--streams", flags.streams, "Streams at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 256));
  app.add_option("--attention", flags.attention, "Attention workers")
      ->capture_default_str()
      ->check(CLI::Range(1, 16));
  app.add_option("--experts", flags.experts, "Expert workers at the beginning")
      ->capture_default_str()
      ->check(CLI::Range(1, 16));
  app.add_option("--max-tokens", flags.max_tokens, "Tokens of one answer")
      ->capture_default_str()
      ->check(CLI::Range(kShortAnswer, 1000));
  app.add_option("--scale", flags.scale, "Expert workers later on")->capture_default_str();
  app.add_option("--worst-stall", flags.worst_stall,
                 "Seconds that no stream may stand still after a fault; 0: any [0]");
  app.add_option("--router-limit", flags.router_limit,
                 "Seconds within which a restarted router serves again; 0: any [0]");
  app.add_flag("--events", flags.events, "Print the router's events and every long gap as well");
}

std::string ClockTime(absl::Time time) {
  return absl::FormatTime("%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

// What is done, in the order of time.
class Timeline {
 public:
  Timeline(DisturbedCluster& cluster, const std::vector<Disturbance>& plan) : cluster_(cluster) {
    for (const Disturbance& disturbance : plan) Add(disturbance);
  }

  // Does everything, and looks after the cluster between.
  void Run(absl::Duration until, const std::function<bool()>& go_on) {
    const absl::Time begin = absl::Now();
    std::multimap<absl::Duration, Action>::iterator next;
    while (go_on() && absl::Now() - begin < until) {
      next = actions_.begin();
      const absl::Duration due = next == actions_.end() ? until : std::min(until, next->first);
      const absl::Duration wait = begin + due - absl::Now();
      if (wait > absl::ZeroDuration()) {
        absl::SleepFor(std::min(wait, kLook));
        lines_.Add(cluster_.Status());
      } else if (next != actions_.end()) {
        if (!next->second.name.empty()) {
          done_.push_back({.name = next->second.name, .at = absl::Now()});
          std::printf("  %6.2f s  %s  %s\n", absl::ToDoubleSeconds(absl::Now() - begin),
                      ClockTime(absl::Now()).c_str(), next->second.text.c_str());
          std::fflush(stdout);
        }
        next->second.act();
        actions_.erase(next);
      }
    }
    // Whoever sleeps still is woken up.
    for (const auto& [at, action] : actions_) {
      if (action.name.empty()) action.act();
    }
  }

  [[nodiscard]] const std::vector<DisturbanceTime>& done() const { return done_; }
  [[nodiscard]] EventLines& lines() { return lines_; }

 private:
  struct Action {
    std::string name = {};  // empty: the end of something
    std::string text = {};
    std::function<void()> act = {};
  };

  using Deed = void (DisturbedCluster::*)(WorkerKind worker, int slot);

  void Later(absl::Duration at, const Disturbance& whom, Deed deed) {
    actions_.emplace(
        at, Action{.act = [this, whom, deed] { (cluster_.*deed)(whom.worker, whom.slot); }});
  }

  void Add(const Disturbance& d) {
    Action action{.name = d.Name()};
    if (d.kind == DisturbanceKind::kScale) {
      action.text = absl::StrCat(action.name, " to ", d.experts);
      action.act = [this, d] { cluster_.ScaleExperts(d.experts); };
      actions_.emplace(d.at, std::move(action));
      return;
    }
    const bool kill = d.kind == DisturbanceKind::kKill;
    action.text = absl::StrCat(action.name, ", slot ", d.slot);
    if (!kill) {
      absl::StrAppend(&action.text, ", for ", absl::FormatDuration(d.lasting),
                      d.killed_after ? ", then killed" : "");
    }
    action.act = [this, d, kill] {
      kill ? cluster_.Kill(d.worker, d.slot) : cluster_.Stop(d.worker, d.slot);
    };
    actions_.emplace(d.at, std::move(action));
    if (kill) return;
    if (d.kind == DisturbanceKind::kStarve) {
      for (absl::Duration at = d.at + kStarveStopped; at < d.at + d.lasting;
           at += kStarveStopped + kStarveRunning) {
        Later(at, d, &DisturbedCluster::LetRun);
        Later(at + kStarveRunning, d, &DisturbedCluster::Stop);
      }
    }
    Later(d.at + d.lasting, d,
          d.killed_after ? &DisturbedCluster::KillStopped : &DisturbedCluster::Continue);
  }

  DisturbedCluster& cluster_;
  std::multimap<absl::Duration, Action> actions_;
  std::vector<DisturbanceTime> done_;
  EventLines lines_;
};

// Who holds what: experts by worker id.
std::map<std::string, std::vector<int>> HoldersOf(const v1::ClusterStatus& status) {
  std::map<std::string, std::vector<int>> holders;
  for (const v1::WorkerStatus& worker : status.workers()) {
    if (worker.role() != v1::ROLE_EXPERT) continue;
    holders[worker.worker_id()] = {worker.experts().begin(), worker.experts().end()};
  }
  return holders;
}

// From the router's death to the end of a short answer by the next one, which is the beginning of
// `whole`.
absl::StatusOr<absl::Duration> RestartRouter(DisturbedCluster& cluster, v1::GenerateRequest request,
                                             const GotAnswer& whole) {
  request.mutable_params()->set_max_tokens(kShortAnswer);
  const GotAnswer wanted = {
      .ids = {whole.ids.begin(), whole.ids.begin() + kShortAnswer},
      .logprobs = {whole.logprobs.begin(), whole.logprobs.begin() + kShortAnswer}};
  ASSIGN_OR_RETURN(const v1::ClusterStatus before, cluster.Status());
  const absl::Time killed = absl::Now();
  cluster.KillRouter();
  absl::Duration took;
  while (true) {
    const absl::StatusOr<std::vector<GotAnswer>> got = AskCluster(cluster.target(), {request});
    took = absl::Now() - killed;
    if (got.ok() && got->front() != wanted) return absl::InternalError("other bytes than before");
    if (got.ok()) break;
    if (took > kLongestRecovery) return got.status();
    absl::SleepFor(absl::Milliseconds(5));
  }
  RETURN_IF_ERROR(cluster.WaitUntilWhole(kLongestRecovery));
  ASSIGN_OR_RETURN(const v1::ClusterStatus after, cluster.Status());
  if (HoldersOf(before) != HoldersOf(after)) {
    return absl::InternalError(absl::StrCat("workers did not keep their experts:\n",
                                            before.DebugString(), after.DebugString()));
  }
  return took;
}

absl::Status Run(const Flags& flags) {
  const std::vector<v1::GenerateRequest> requests = MakeRequests(24, 250, flags.max_tokens);
  ASSIGN_OR_RETURN(const std::vector<GotAnswer> wanted, AskOneProcess(flags.model, requests));
  ASSIGN_OR_RETURN(
      const std::unique_ptr<DisturbedCluster> cluster,
      DisturbedCluster::Start(
          {.model = flags.model, .attention = flags.attention, .experts = flags.experts}));
  const absl::Duration duration = absl::Seconds(flags.seconds);
  Timeline timeline(*cluster, PlanDisturbances({.seed = flags.seed,
                                                .duration = duration,
                                                .interval = absl::Seconds(flags.interval),
                                                .attention = flags.attention,
                                                .experts = flags.experts,
                                                .scale = flags.scale}));
  EndlessStreams streams({.target = cluster->target(),
                          .requests = requests,
                          .wanted = wanted,
                          .streams = flags.streams});
  streams.Start();
  timeline.Run(duration, [&] { return streams.failures() == 0; });
  const std::vector<std::string> scale_failures = cluster->ScaleFailures();
  const absl::Status whole = cluster->WaitUntilWhole(kLongestRecovery);
  timeline.lines().Add(cluster->Status());
  streams.Stop();

  const EndlessStreams::Results results = streams.results();
  const auto stalls = SortStalls(timeline.done(), results.gaps, kAftermath);
  std::printf("%d answers of %d tokens, %d tokens in all, by %d streams\n%s%s",
              static_cast<int>(results.answers), flags.max_tokens, static_cast<int>(results.tokens),
              flags.streams, StallTable(stalls).c_str(), timeline.lines().Summary().c_str());
  if (flags.events) {
    for (const std::string& line : timeline.lines().lines()) std::printf("%s\n", line.c_str());
    for (const Gap& gap : results.gaps) {
      if (gap.end - gap.begin < kWorthShowing) continue;
      std::printf("a gap from %s to %s%s\n", ClockTime(gap.begin).c_str(),
                  ClockTime(gap.end).c_str(), gap.first_token ? ", before the first token" : "");
    }
  }
  std::string failures;
  for (const std::string& failure : results.failures) absl::StrAppend(&failures, failure, "\n");
  for (const std::string& failure : scale_failures) absl::StrAppend(&failures, failure, "\n");
  if (timeline.lines().broken_streams() > cluster->killed()) {
    absl::StrAppend(&failures, timeline.lines().broken_streams(), " workers vanished; only ",
                    cluster->killed(), " were killed\n");
  }
  if (!failures.empty()) return absl::InternalError(failures);
  if (!whole.ok()) return AddContext(whole, "the cluster did not become whole again");
  for (const auto& [name, kind] : stalls) {
    if (flags.worst_stall > 0 && kind.longest.back() > absl::Seconds(flags.worst_stall)) {
      return absl::DeadlineExceededError(absl::StrCat(name, ": a stream stood still for ",
                                                      absl::FormatDuration(kind.longest.back())));
    }
  }

  ASSIGN_OR_RETURN(const absl::Duration router,
                   RestartRouter(*cluster, requests.front(), wanted.front()));
  std::printf(
      "router killed and started again: answered %d tokens after %.0f ms; every worker kept "
      "its experts\n",
      kShortAnswer, absl::ToDoubleMilliseconds(router));
  if (flags.router_limit > 0 && router > absl::Seconds(flags.router_limit)) {
    return absl::DeadlineExceededError("that is later than --router-limit");
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace sextant::chaos

int main(int argc, char** argv) {
  CLI::App app{"Disturbs a cluster of processes while streams run, and looks whether any noticed"};
  sextant::chaos::Flags flags;
  sextant::chaos::AddFlags(app, flags);
  CLI11_PARSE(app, argc, argv);
  if (app.count("--seed") == 0) flags.seed = std::random_device()();
  std::printf("seed %llu\n", static_cast<unsigned long long>(flags.seed));
  std::fflush(stdout);
  const absl::Status status = sextant::chaos::Run(flags);
  if (status.ok()) return 0;
  std::printf("FAILED: %s\nagain: --seed %llu\n", std::string(status.message()).c_str(),
              static_cast<unsigned long long>(flags.seed));
  return 1;
}
