#include "router/generation/dispatcher.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors/error_details.h"
#include "router/generation/dispatcher_request.h"

namespace sextant::router {
namespace {

// A worker that the directory has dropped may be back in a moment, when a new epoch reaches the
// workers one after another.
constexpr absl::Duration kMovePatience = absl::Milliseconds(100);
constexpr absl::Duration kFirstRetry = absl::Milliseconds(100);
constexpr absl::Duration kLongestRetry = absl::Seconds(2);

absl::Duration RetryPause(int failures) {
  return std::min(kLongestRetry, kFirstRetry * (1 << std::min(failures - 1, 10)));
}

}  // namespace

Dispatcher::Dispatcher(Options options, AttentionPeers& peers, RequestMetrics& metrics,
                       const Clock& clock)
    : options_(std::move(options)),
      metrics_(metrics),
      clock_(clock),
      workers_(peers),
      queue_(options_.queue_capacity),
      unserved_since_(clock.Now()) {}

Dispatcher::~Dispatcher() = default;

Dispatcher::Request* Dispatcher::FindRequest(std::uint64_t handle) {
  const auto found = requests_.find(handle);
  return found == requests_.end() ? nullptr : found->second.get();
}

absl::Status Dispatcher::Admit(const PreparedRequest& request) {
  if (!admitting_) {
    metrics_.shutting_down.Increment();
    return WithReason(absl::UnavailableError("the router is shutting down; ask another one"),
                      "SHUTTING_DOWN");
  }
  if (request.call.deadline <= now_) {
    return absl::DeadlineExceededError("the deadline had passed before the request was queued");
  }
  if (by_id_.count(request.request_id) > 0) {
    return FieldError("request_id", "a request with this id is running; choose another one");
  }
  absl::Status queued = queue_.Push({.request = request.call.handle,
                                     .client = request.client_id,
                                     .priority = request.priority,
                                     .answers = request.num_answers},
                                    now_);
  if (!queued.ok()) metrics_.queue_full.Increment();
  return queued;
}

void Dispatcher::Submit(PreparedRequest prepared, std::shared_ptr<AnswerSink> sink) {
  now_ = clock_.Now();
  absl::Status admitted =
      sink->Gone() ? absl::CancelledError("the client has gone") : Admit(prepared);
  if (!admitted.ok()) {
    sink->End(WithRequestId(std::move(admitted), prepared.request_id));
    return;
  }
  auto owned = std::make_unique<Request>();
  Request& request = *owned;
  request.prepared = std::move(prepared);
  request.sink = std::move(sink);
  request.answers.resize(static_cast<std::size_t>(request.prepared.num_answers));
  const std::uint64_t handle = request.prepared.call.handle;
  request.expiry = FirstLook(request);
  expiries_.emplace(request.expiry, handle);
  by_id_.emplace(request.prepared.request_id, &request);
  requests_.emplace(handle, std::move(owned));
  Settle();
}

absl::Status Dispatcher::Cancel(const std::string& request_id) {
  now_ = clock_.Now();
  const auto found = by_id_.find(request_id);
  if (found == by_id_.end()) {
    return absl::NotFoundError(absl::StrCat("no request with the id \"", request_id,
                                            "\" is running here; it may have ended"));
  }
  End(*found->second, absl::CancelledError("cancelled by a call of Cancel"));
  Settle();
  return absl::OkStatus();
}

void Dispatcher::Abandon(std::uint64_t handle) {
  now_ = clock_.Now();
  Request* request = FindRequest(handle);
  if (request == nullptr) return;
  End(*request, absl::CancelledError("the client has gone"));
  Settle();
}

void Dispatcher::SetWorkers(const std::vector<AttentionWorkerInfo>& listed) {
  now_ = clock_.Now();
  workers_.SetListed(listed, now_);
  Settle();
}

void Dispatcher::SetCover(ExpertCover cover) {
  const bool lost = cover.holders_lost > cover_.holders_lost;
  cover_ = std::move(cover);
  now_ = clock_.Now();
  NoteWhetherServed();
  if (!lost) return;
  for (const auto& [sequence, place] : sequences_) {
    place.request->answers[static_cast<std::size_t>(place.answer)].interrupted = true;
  }
}

void Dispatcher::OnPeerEvents(PeerNumber number, PeerEvents events) {
  now_ = clock_.Now();
  AttentionWorker* worker = workers_.Find(number);
  if (worker == nullptr) return;
  workers_.OnLoad(*worker, events.load);
  for (PeerEvent& event : events.events) {
    // Others are of sequences that were cancelled while the event was on its way.
    const auto found = sequences_.find(event.sequence);
    if (found == sequences_.end()) continue;
    const Place place = found->second;
    AnswerState& answer = place.request->answers[static_cast<std::size_t>(place.answer)];
    if (answer.peer != number) continue;
    if (PeerToken* token = std::get_if<PeerToken>(&event.what)) {
      if (event.cached_prompt_tokens > 0 && answer.answer->generated().empty()) {
        place.request->cached_prompt_tokens =
            std::max(place.request->cached_prompt_tokens, event.cached_prompt_tokens);
      }
      TakeToken(*place.request, place.answer, std::move(*token));
    } else {
      TakeFailure(*place.request, place.answer, std::move(std::get<PeerFailure>(event.what)));
    }
  }
  Settle();
}

void Dispatcher::OnPeerLost(PeerNumber number, const absl::Status& why) {
  now_ = clock_.Now();
  for (const SequenceNumber sequence : workers_.Lose(number, now_)) {
    const auto found = sequences_.find(sequence);
    if (found == sequences_.end()) continue;  // its request has ended with another answer
    const Place place = found->second;
    Request& request = *place.request;
    AnswerState& answer = request.answers[static_cast<std::size_t>(place.answer)];
    Detach(answer, /*tell_worker=*/false);
    if (++answer.losses >= kMaxLosses) {
      End(request,
          absl::UnavailableError(absl::StrCat(kMaxLosses,
                                              " attention workers in a row were lost before they "
                                              "had a token of this request; the last one: ",
                                              why.message())));
      continue;
    }
    answer.interrupted = true;
    metrics_.migrations.Increment();
    Restart(request, place.answer, now_);
  }
  Settle();
}

void Dispatcher::TakeToken(Request& request, std::int32_t index, PeerToken token) {
  AnswerState& answer = request.answers[static_cast<std::size_t>(index)];
  if (request.first_token == absl::InfiniteFuture()) {
    request.first_token = now_;
    metrics_.first_token_seconds.Observe(
        absl::ToDoubleSeconds(now_ - request.prepared.call.arrival));
  }
  if (!answer.answer->generated().empty()) {
    const double pause = absl::ToDoubleSeconds(now_ - answer.last_token);
    metrics_.inter_token_seconds.Observe(pause);
    if (answer.interrupted) metrics_.stall_seconds.Observe(pause);
  }
  metrics_.generation_tokens.Increment();
  answer.last_token = now_;
  answer.interrupted = false;
  answer.losses = 0;
  answer.failures = 0;
  answer.avoid = 0;
  ++request.completion_tokens;

  const bool finished = token.finished;
  absl::StatusOr<Piece> piece = answer.answer->Take(std::move(token));
  if (!piece.ok()) {
    End(request, piece.status());
    return;
  }
  if (!piece->finish.has_value()) {
    request.sink->Send(*std::move(piece));
    return;
  }
  Detach(answer, /*tell_worker=*/!finished);
  FinishAnswer(request, index, *piece);
}

void Dispatcher::FinishAnswer(Request& request, std::int32_t index, Piece& piece) {
  (*piece.finish == Finish::kStop ? metrics_.stopped : metrics_.full_length).Increment();
  AnswerState& answer = request.answers[static_cast<std::size_t>(index)];
  answer.ended = true;
  answer.answer = nullptr;
  const bool last = ++request.ended_answers == request.prepared.num_answers;
  if (last) {
    const absl::Time arrival = request.prepared.call.arrival;
    piece.usage = {.prompt_tokens = static_cast<std::int64_t>(request.prepared.prompt_ids.size()),
                   .completion_tokens = request.completion_tokens,
                   .cached_prompt_tokens = request.cached_prompt_tokens};
    piece.timings = {.queue_seconds = absl::ToDoubleSeconds(request.started - arrival),
                     .first_token_seconds = absl::ToDoubleSeconds(request.first_token - arrival),
                     .total_seconds = absl::ToDoubleSeconds(now_ - arrival)};
  }
  request.sink->Send(std::move(piece));
  if (last) End(request, absl::OkStatus());
}

void Dispatcher::TakeFailure(Request& request, std::int32_t index, PeerFailure failure) {
  AnswerState& answer = request.answers[static_cast<std::size_t>(index)];
  const PeerNumber number = answer.peer;
  // It has ended there by itself.
  Detach(answer, /*tell_worker=*/false);
  if (failure.permanent) {
    End(request, std::move(failure.status));
    return;
  }
  answer.avoid = number;
  Restart(request, index, now_ + RetryPause(++answer.failures));
}

void Dispatcher::Detach(AnswerState& answer, bool tell_worker) {
  if (answer.sequence == 0) return;
  if (AttentionWorker* worker = workers_.Find(answer.peer); worker != nullptr) {
    worker->sequences.erase(answer.sequence);
    if (tell_worker) worker->peer->Cancel(answer.sequence);
  }
  sequences_.erase(answer.sequence);
  answer.sequence = 0;
  answer.peer = 0;
}

void Dispatcher::Restart(Request& request, std::int32_t index, absl::Time not_before) {
  const PreparedRequest& prepared = request.prepared;
  restarts_.emplace(RestartKey{-prepared.priority, prepared.call.handle, index}, not_before);
}

absl::Time Dispatcher::MoveTime(const AttentionWorker& worker) const {
  return std::max(worker.unlisted_at, ready_since_) + kMovePatience;
}

void Dispatcher::MoveFromUnlisted() {
  if (workers_.ready_count() == 0) {
    ready_since_ = absl::InfiniteFuture();
    return;
  }
  ready_since_ = std::min(ready_since_, now_);
  for (auto& [id, worker] : workers_.workers()) {
    if (worker.listed || now_ < MoveTime(worker)) continue;
    const std::set<SequenceNumber> sequences = worker.sequences;
    for (const SequenceNumber sequence : sequences) {
      const Place place = sequences_.at(sequence);
      AnswerState& answer = place.request->answers[static_cast<std::size_t>(place.answer)];
      Detach(answer, /*tell_worker=*/true);
      answer.interrupted = true;
      metrics_.migrations.Increment();
      Restart(*place.request, place.answer, now_);
    }
  }
}

Dispatcher::Started Dispatcher::StartAnswer(Request& request, std::int32_t index) {
  const PreparedRequest& prepared = request.prepared;
  if (request.deadline() <= now_) {
    End(request, ExpiryOf(request));
    return Started::kRequestEnded;
  }
  AnswerState& answer = request.answers[static_cast<std::size_t>(index)];
  const WorkerTable::Found found = workers_.Choose(request.needs(), answer.avoid);
  if (found.too_long_for.has_value()) {
    End(request, FieldError("params.max_tokens",
                            absl::StrCat("is ", prepared.max_tokens, " after a prompt of ",
                                         prepared.prompt_ids.size(),
                                         " tokens: together they must fit ", *found.too_long_for,
                                         ", the largest latent cache of the attention workers")));
    return Started::kRequestEnded;
  }
  if (found.worker == nullptr) return Started::kNoWorker;
  if (request.started == absl::InfiniteFuture()) {
    request.started = now_;
    metrics_.queue_seconds.Observe(absl::ToDoubleSeconds(now_ - prepared.call.arrival));
    metrics_.prompt_tokens.Increment(static_cast<double>(prepared.prompt_ids.size()));
  }
  if (answer.answer == nullptr) {
    answer.answer = std::make_unique<Answer>(prepared, index, options_.tokenizer);
  }
  answer.sequence = ++last_sequence_;
  answer.peer = found.worker->number;
  sequences_.emplace(answer.sequence, Place{.request = &request, .answer = index});
  workers_.Add(*found.worker, answer.sequence, request.needs());
  found.worker->peer->Start({.sequence = answer.sequence,
                             .prompt_ids = prepared.prompt_ids,
                             .generated_ids = answer.answer->generated(),
                             .sampling = prepared.sampling,
                             .seed = answer.answer->seed(),
                             .max_tokens = prepared.max_tokens,
                             .stop_ids = prepared.stop_ids,
                             .priority = prepared.priority,
                             .request_id = prepared.request_id});
  return Started::kYes;
}

bool Dispatcher::DispatchRestarts() {
  for (auto next = restarts_.begin(); next != restarts_.end();) {
    if (next->second > now_) {
      ++next;
      continue;
    }
    const RestartKey key = next->first;
    Request& request = *requests_.at(std::get<1>(key));
    if (StartAnswer(request, std::get<2>(key)) == Started::kNoWorker) return false;
    restarts_.erase(key);
    next = restarts_.upper_bound(key);
  }
  return true;
}

void Dispatcher::Dispatch() {
  if (!DispatchRestarts()) return;
  while (const std::optional<std::uint64_t> next = queue_.Next()) {
    Request& request = *requests_.at(*next);
    const Started started = StartAnswer(request, request.next_answer);
    if (started == Started::kNoWorker) return;
    if (started == Started::kRequestEnded) continue;
    ++request.next_answer;
    queue_.TakeNext(now_);
  }
}

void Dispatcher::End(Request& request, absl::Status status) {
  const PreparedRequest& prepared = request.prepared;
  const std::uint64_t handle = prepared.call.handle;
  for (std::int32_t i = 0; i < prepared.num_answers; ++i) {
    AnswerState& answer = request.answers[static_cast<std::size_t>(i)];
    if (!answer.ended) metrics_.aborted.Increment();
    Detach(answer, /*tell_worker=*/true);
    restarts_.erase(RestartKey{-prepared.priority, handle, i});
  }
  queue_.Remove(handle);
  expiries_.erase({request.expiry, handle});
  by_id_.erase(prepared.request_id);
  metrics_.request_seconds.Observe(absl::ToDoubleSeconds(now_ - prepared.call.arrival));
  metrics_.request_prompt_tokens.Observe(static_cast<double>(prepared.prompt_ids.size()));
  metrics_.request_generation_tokens.Observe(static_cast<double>(request.completion_tokens));
  const std::shared_ptr<AnswerSink> sink = std::move(request.sink);
  status = WithRequestId(std::move(status), prepared.request_id);
  requests_.erase(handle);
  sink->End(std::move(status));
}

void Dispatcher::Settle() {
  MoveFromUnlisted();
  Dispatch();
  workers_.DropUnused();
  NoteWhetherServed();
  metrics_.running.Set(static_cast<double>(sequences_.size()));
  metrics_.waiting.Set(static_cast<double>(queue_.size()));
  const bool serving = workers_.ready_count() > 0;
  if (serving == serving_) return;
  serving_ = serving;
  options_.on_serving(serving);
}

absl::Time Dispatcher::NextMove() const {
  absl::Time next = absl::InfiniteFuture();
  if (workers_.ready_count() == 0) return next;
  for (const auto& [id, worker] : workers_.workers()) {
    if (!worker.listed) next = std::min(next, MoveTime(worker));
  }
  return next;
}

absl::Time Dispatcher::Tick() {
  now_ = clock_.Now();
  EndExpired();
  workers_.Connect(now_);
  Settle();
  absl::Time next = std::min(workers_.NextConnect(), NextMove());
  if (!expiries_.empty()) next = std::min(next, expiries_.begin()->first);
  for (const auto& [key, not_before] : restarts_) {
    if (not_before > now_) next = std::min(next, not_before);
  }
  return next;
}

Dispatcher::State Dispatcher::state() const {
  return {.queued = queue_.size(),
          .running = static_cast<std::int64_t>(sequences_.size()),
          .requests = static_cast<std::int64_t>(requests_.size()),
          .ready_workers = workers_.ready_count(),
          .retry_delay = queue_.RetryDelay(clock_.Now())};
}

}  // namespace sextant::router
