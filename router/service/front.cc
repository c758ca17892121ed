#include "router/service/front.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors/error_details.h"

namespace sextant::router {

Front::Front(Options options, const ModelText& text, Metrics& metrics, const Logger& log)
    : log_(log),
      queue_capacity_(options.queue_capacity),
      metrics_(metrics),
      reader_(options.model, text) {
  peers_ = std::make_unique<GrpcAttentionPeers>(GrpcAttentionPeers::Options{
      .own_host_id = options.own_host_id,
      .banned_ids = text.banned_ids(),
      .on_events =
          [this](PeerNumber number, PeerEvents events, absl::AnyInvocable<void()> taken) {
            thread_->Post(
                [this, number, events = std::move(events), taken = std::move(taken)]() mutable {
                  dispatcher_->OnPeerEvents(number, std::move(events));
                  taken();
                });
          },
      .on_lost =
          [this](PeerNumber number, absl::Status why) {
            log_.Warning("lost the stream to an attention worker", {{"reason", why.message()}});
            thread_->Post(
                [this, number, why = std::move(why)] { dispatcher_->OnPeerLost(number, why); });
          }});
  dispatcher_ =
      std::make_unique<Dispatcher>(Dispatcher::Options{.queue_capacity = options.queue_capacity,
                                                       .wait_for_worker = options.wait_for_worker,
                                                       .tokenizer = text.tokenizer(),
                                                       .on_serving = std::move(options.on_serving)},
                                   *peers_, metrics_, clock_);
  thread_ = std::make_unique<TaskThread>([this] { return Tick(); });
  // A burst that the queue and the workers together can take is not refused for being read slowly.
  const auto unread = static_cast<std::size_t>(options.queue_capacity + 256);
  reading_ = std::make_unique<WorkPool>(options.reading_threads, unread);
}

Front::~Front() { Stop(); }

void Front::Stop() {
  reading_->Stop();
  thread_->Stop();
  // Ends the streams; what they still report is dropped by the thread, which has stopped.
  dispatcher_ = nullptr;
  peers_ = nullptr;
}

absl::Time Front::Tick() {
  const absl::Time next = dispatcher_->Tick();
  const Dispatcher::State state = dispatcher_->state();
  queued_ = state.queued;
  running_ = state.running;
  requests_ = state.requests;
  retry_delay_ms_ = absl::ToInt64Milliseconds(state.retry_delay);
  return next;
}

absl::Status Front::TryPost(WorkPool::Work work) {
  if (reading_->TryPost(std::move(work))) return absl::OkStatus();
  metrics_.queue_full.Increment();
  const absl::Duration delay = absl::Milliseconds(retry_delay_ms_.load());
  absl::Status status = absl::ResourceExhaustedError(absl::StrCat(
      "too many requests have come at once; try again in ", retry_delay_ms_.load(), " ms"));
  return WithRetryDelay(WithReason(std::move(status), "QUEUE_FULL"), delay);
}

absl::Status Front::Submit(Read read, std::shared_ptr<AnswerSink> sink,
                           std::function<void(const std::string&)> on_read) {
  return TryPost([this, read = std::move(read), sink = std::move(sink),
                  on_read = std::move(on_read)]() mutable {
    if (sink->Gone()) {
      sink->End(absl::CancelledError("the client has gone"));
      return;
    }
    absl::StatusOr<PreparedRequest> request = read();
    if (!request.ok()) {
      metrics_.invalid.Increment();
      sink->End(request.status());
      return;
    }
    on_read(request->request_id);
    thread_->Post([this, request = *std::move(request), sink = std::move(sink)]() mutable {
      dispatcher_->Submit(std::move(request), std::move(sink));
    });
  });
}

void Front::Cancel(const std::string& request_id, absl::AnyInvocable<void(absl::Status)> done) {
  thread_->Post([this, request_id, done = std::move(done)]() mutable {
    done(dispatcher_->Cancel(request_id));
  });
}

void Front::Abandon(std::uint64_t handle) {
  thread_->Post([this, handle] { dispatcher_->Abandon(handle); });
}

void Front::SetWorkers(std::vector<AttentionWorkerInfo> listed) {
  thread_->Post([this, listed = std::move(listed)] { dispatcher_->SetWorkers(listed); });
}

void Front::SetCover(ExpertCover cover) {
  thread_->Post(
      [this, cover = std::move(cover)]() mutable { dispatcher_->SetCover(std::move(cover)); });
}

void Front::StopAdmission() {
  thread_->Post([this] { dispatcher_->StopAdmission(); });
}

}  // namespace sextant::router
