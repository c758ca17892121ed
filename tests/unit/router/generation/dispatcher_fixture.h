// A dispatcher with attention workers that do what the test says, and a clock of the test's own.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "router/generation/dispatcher.h"
#include "tests/support/manual_clock.h"
#include "tests/unit/router/fake_attention_peers.h"
#include "tests/unit/router/generation/collecting_sink.h"

namespace sextant::router {

class DispatcherTest : public ::testing::Test {
 protected:
  struct Call {
    std::string id = {};
    std::string client = "client";
    std::int32_t priority = 0;
    std::int32_t answers = 1;
    std::int64_t max_tokens = 4;
    absl::Duration patience = absl::InfiniteDuration();
    std::vector<std::int32_t> prompt = {1, 2, 3};
  };

  std::shared_ptr<CollectingSink> Submit(Call call) {
    PreparedRequest request;
    request.call.handle = ++last_handle_;
    request.call.arrival = clock_.Now();
    request.call.deadline = clock_.Now() + call.patience;
    request.request_id = call.id.empty() ? "r" + std::to_string(last_handle_) : call.id;
    request.client_id = call.client;
    request.priority = call.priority;
    request.prompt_ids = call.prompt;
    request.sampling.seed = 100;
    request.max_tokens = call.max_tokens;
    request.num_answers = call.answers;
    auto sink = std::make_shared<CollectingSink>();
    dispatcher_->Submit(std::move(request), sink);
    return sink;
  }

  static AttentionWorkerInfo Worker(const std::string& id, std::int64_t max_sequences = 4) {
    AttentionWorkerInfo info;
    info.worker_id = id;
    info.cache_blocks = 64;
    info.block_tokens = 16;
    info.max_sequences = max_sequences;
    return info;
  }

  void List(const std::vector<AttentionWorkerInfo>& workers) { dispatcher_->SetWorkers(workers); }
  // Lists the workers and lets each answer its stream.
  void Ready(const std::vector<AttentionWorkerInfo>& workers) {
    List(workers);
    for (const AttentionWorkerInfo& worker : workers) Report(worker.worker_id, {});
  }

  FakeStream& Stream(const std::string& worker) { return *peers_.StreamOf(worker); }
  void Report(const std::string& worker, std::vector<PeerEvent> events) {
    dispatcher_->OnPeerEvents(Stream(worker).number,
                              {.events = std::move(events), .load = {.free_blocks = 64}});
  }
  void Token(const std::string& worker, SequenceNumber sequence, std::int32_t id,
             bool finished = false) {
    Report(worker, {{.sequence = sequence, .what = PeerToken{.id = id, .finished = finished}}});
  }
  // Ends all that the worker has been given, with one more token each.
  void FinishAll(const std::string& worker) {
    const std::vector<StartedSequence> starts = Stream(worker).starts;
    for (const StartedSequence& start : starts) Token(worker, start.sequence, 7, true);
  }
  void Lose(const std::string& worker) {
    dispatcher_->OnPeerLost(Stream(worker).number, absl::UnavailableError("connection reset"));
  }
  void Advance(absl::Duration duration) {
    clock_.Advance(duration);
    static_cast<void>(dispatcher_->Tick());
  }
  std::vector<std::string> StartedIds(const std::string& worker) {
    std::vector<std::string> ids;
    for (const StartedSequence& start : Stream(worker).starts) ids.push_back(start.request_id);
    return ids;
  }
  void MakeDispatcher(std::int64_t queue_capacity) {
    dispatcher_ = std::make_unique<Dispatcher>(
        Dispatcher::Options{.queue_capacity = queue_capacity,
                            .on_serving = [this](bool serving) { serving_.push_back(serving); }},
        peers_, request_metrics_, clock_);
  }
  void SetUp() override { MakeDispatcher(8); }

  ManualClock clock_;
  FakeAttentionPeers peers_;
  Metrics metrics_;
  RequestMetrics request_metrics_{metrics_};
  std::vector<bool> serving_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::uint64_t last_handle_ = 0;
};

}  // namespace sextant::router
