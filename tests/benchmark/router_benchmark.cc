// The router alone: a process of its own on one core, between clients and an attention worker that
// computes nothing, which share another core.
//
//   router_benchmark [ROUNDS]
//
// Prints tokens/s, the time that a token takes from the worker's write to the client's read, and
// what 10,000 requests at once do in each of so many rounds [6]. Fails when a token is missing,
// when a request ends otherwise than served or refused with a delay, when the router's memory still
// grows after the fourth round, or when the router does not end in order.
#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/errors/error_details.h"
#include "common/program/process.h"
#include "common/rpc/channel.h"
#include "common/rpc/server.h"
#include "common/rpc/status.h"
#include "router/service/inference_service.h"
#include "tests/support/fake_attention_worker.h"

namespace sextant::router {
namespace {

constexpr int kSequences = 64;
constexpr int kAtOnce = 10'000;
constexpr int kWarmRounds = 4;
constexpr double kMostGrowthMib = 32;

void PinTo(std::size_t cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof(set), &set);
}

// The child, until SIGTERM; a sanitizer then looks for what was left behind.
void RunRouter(const std::string& folder) {
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &term, nullptr);
  PinTo(0);
  PrepareProcess();
  ModelConfig model;
  model.vocab_size = 1000;
  const auto text = ModelText::Load(folder, model).value();
  Metrics metrics;
  const Logger log("router", LogLevel::kError);
  Front front({.model = {.model_id = "none", .context_length = 1 << 20, .vocab_size = 1000},
               .queue_capacity = 256,
               .own_host_id = "here"},
              *text, metrics, log);
  InferenceService service({}, front);
  const auto server =
      RpcServer::Start({.listen = {"unix:" + folder + "/router"}, .services = {&service}}).value();
  AttentionWorkerInfo info;
  info.worker_id = "fake";
  info.endpoint.set_tcp_target("unix:" + folder + "/worker");
  info.cache_blocks = 1 << 24;
  info.block_tokens = 16;
  info.max_sequences = kSequences;
  front.SetWorkers({info});
  int signal = 0;
  sigwait(&term, &signal);
  front.StopAdmission();
  server->Shutdown(absl::Seconds(1));
  front.Stop();
}

struct Outcome {
  std::atomic<int> open = 0;
  std::atomic<int> served = 0;
  std::atomic<int> refused = 0;
  std::atomic<int> wrong = 0;
  std::atomic<std::int64_t> tokens = 0;
  std::atomic<std::int64_t> messages = 0;
  std::mutex mutex;
  std::vector<std::int32_t> micros;
};

class Client final : public grpc::ClientReadReactor<v1::GenerateResponse> {
 public:
  Client(v1::Inference::Stub& stub, Outcome& outcome, int tokens, bool timed)
      : outcome_(outcome), expected_(tokens), timed_(timed) {
    ++outcome_.open;
    request_.mutable_token_ids()->add_ids(1);
    request_.mutable_params()->set_max_tokens(tokens);
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    stub.async()->Generate(&context_, &request_, this);
    StartRead(&message_);
    StartCall();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    ++outcome_.messages;
    got_ += message_.token_ids_size();
    if (timed_) {
      const std::int32_t now = FakeAttentionWorker::NowMicros();
      for (const std::int32_t id : message_.token_ids()) micros_.push_back(now - id);
    }
    StartRead(&message_);
  }
  void OnDone(const grpc::Status& grpc_status) override {
    const absl::Status status = FromGrpc(grpc_status);
    outcome_.tokens += got_;
    if (status.ok() && got_ == expected_) {
      ++outcome_.served;
    } else if (absl::IsResourceExhausted(status) && RetryDelay(status).has_value()) {
      ++outcome_.refused;
    } else {
      ++outcome_.wrong;
    }
    {
      const std::lock_guard<std::mutex> lock(outcome_.mutex);
      outcome_.micros.insert(outcome_.micros.end(), micros_.begin(), micros_.end());
    }
    Outcome& outcome = outcome_;
    delete this;
    --outcome.open;
  }

 private:
  Outcome& outcome_;
  const int expected_;
  const bool timed_;
  int got_ = 0;
  grpc::ClientContext context_;
  v1::GenerateRequest request_;
  v1::GenerateResponse message_;
  std::vector<std::int32_t> micros_;
};

double Run(v1::Inference::Stub& stub, Outcome& outcome, int requests, int tokens, bool timed) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < requests; ++i) new Client(stub, outcome, tokens, timed);
  while (outcome.open > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double CpuSeconds(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string word;
  double ticks = 0;
  for (int i = 1; i <= 15 && file >> word; ++i) {
    if (i >= 14) ticks += std::stod(word);
  }
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double ResidentMib(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  double pages = 0;
  file >> pages >> pages;
  return pages * 4096 / (1 << 20);
}

// 10,000 requests at once, again and again; whether all went well.
bool Overload(v1::Inference::Stub& stub, pid_t router, int rounds) {
  int wrong = 0;
  double warm = 0;
  for (int round = 1; round <= rounds; ++round) {
    Outcome outcome;
    const double seconds = Run(stub, outcome, kAtOnce, 16, false);
    wrong += outcome.wrong;
    const double after = ResidentMib(router);
    if (round <= kWarmRounds) warm = after;
    std::printf(
        "10,000 at once, round %d: %d served, %d refused with a delay, %d wrong in %.2f s; router "
        "%.1f MiB\n",
        round, outcome.served.load(), outcome.refused.load(), outcome.wrong.load(), seconds, after);
  }
  const double growth = ResidentMib(router) - warm;
  if (growth > kMostGrowthMib) std::printf("the router has grown by %.1f MiB\n", growth);
  return wrong == 0 && growth <= kMostGrowthMib;
}

int Main(int rounds) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  char folder[] = "/tmp/router-benchmark-XXXXXX";
  if (mkdtemp(folder) == nullptr) return 1;
  const pid_t router = fork();
  if (router == 0) {
    RunRouter(folder);
    return 0;
  }
  PinTo(1);
  PrepareProcess();
  FakeAttentionWorker worker;
  const auto server = RpcServer::Start({.listen = {std::string("unix:") + folder + "/worker"},
                                        .services = {&worker}})
                          .value();
  const auto channel = OpenChannel(std::string("unix:") + folder + "/router");
  channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10));
  const auto stub = v1::Inference::NewStub(channel);
  int wrong = 0;
  {
    Outcome warm;
    Run(*stub, warm, kSequences, 50, false);
    wrong += warm.wrong;
  }
  for (const int micros : {0, 300, 1000, 5000, 20'000}) {
    worker.step_microseconds = micros;
    worker.stamped = true;
    Outcome outcome;
    const double cpu = CpuSeconds(router);
    const double seconds = Run(*stub, outcome, kSequences, micros > 2000 ? 200 : 2000, true);
    const double used = CpuSeconds(router) - cpu;
    wrong += outcome.wrong;
    std::sort(outcome.micros.begin(), outcome.micros.end());
    const auto share = [&](double part) {
      return outcome.micros.at(
          static_cast<std::size_t>(part * static_cast<double>(outcome.micros.size() - 1)));
    };
    std::printf(
        "64 streams, step pause %5d us: %8.0f tokens/s, %.2f tokens per message, router %.2f "
        "cores, added p50 %d us, p99 %d us\n",
        micros, static_cast<double>(outcome.tokens) / seconds,
        static_cast<double>(outcome.tokens) / static_cast<double>(outcome.messages), used / seconds,
        share(0.5), share(0.99));
  }
  worker.step_microseconds = 1000;
  const bool flat = Overload(*stub, router, rounds);
  worker.broken = true;
  kill(router, SIGTERM);
  int ended = 0;
  waitpid(router, &ended, 0);
  server->Shutdown(absl::Seconds(1));
  return wrong == 0 && flat && ended == 0 ? 0 : 1;
}

}  // namespace
}  // namespace sextant::router

int main(int argc, char** argv) { return sextant::router::Main(argc > 1 ? std::atoi(argv[1]) : 6); }
