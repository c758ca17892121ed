#include "common/exchange/ranks/link/rank_link.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/check.h"
#include "common/base/status.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "proto/sextant/v1/ranks.grpc.pb.h"

namespace sextant {
namespace {

using Lock = std::unique_lock<std::mutex>;

// What another attempt does not change.
bool IsFinal(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status) ||
         absl::IsDataLoss(status) || absl::IsUnimplemented(status);
}

}  // namespace

RankLink::RankLink(Options options) : options_(std::move(options)), keeper_([this] { Keep(); }) {}

RankLink::~RankLink() { Stop(); }

void RankLink::Prepare(std::uint64_t epoch, int rank, const std::string& target) {
  CHECK(gate_ != nullptr);
  const Lock lock(mutex_);
  if (stopping_ || epoch < first_) return;
  const auto [it, is_new] = epochs_.try_emplace(epoch);
  if (!is_new) return;
  it->second.rank = rank;
  it->second.link = std::make_unique<ChannelLink>(OpenChannel(target));
  Open(epoch, it->second);
}

void RankLink::Open(std::uint64_t number, Epoch& epoch) {
  epoch.opened_at = absl::Now();
  epoch.stream =
      RankStream::Open({.link = *epoch.link,
                        .seat = {.epoch = number, .rank = epoch.rank, .attempt = ++epoch.attempts},
                        .heard = epoch.heard,
                        .offer = epoch.offer,
                        .owner = *this});
}

void RankLink::EndBefore(std::uint64_t next) {
  {
    const Lock lock(mutex_);
    first_ = std::max(first_, next);
    for (auto it = epochs_.begin(); it != epochs_.end() && it->first < next;) it = Forget(it);
  }
  changed_.notify_all();
}

void RankLink::GiveUp(std::uint64_t epoch) {
  {
    const Lock lock(mutex_);
    const auto found = epochs_.find(epoch);
    if (found != epochs_.end()) static_cast<void>(Forget(found));
  }
  changed_.notify_all();
}

RankLink::Epochs::iterator RankLink::Forget(Epochs::iterator it) {
  Epoch& epoch = it->second;
  if (epoch.stream != nullptr) epoch.stream->Cancel();
  for (grpc::ClientContext* fetch : epoch.fetches) fetch->TryCancel();
  old_links_.push_back(std::move(epoch.link));
  return epochs_.erase(it);
}

absl::StatusOr<std::string> RankLink::FetchId(std::uint64_t epoch, absl::Duration timeout) {
  ChannelLink* link = nullptr;
  grpc::Status status;
  v1::GetCommunicatorIdResponse response;
  {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    {
      const Lock lock(mutex_);
      const auto found = epochs_.find(epoch);
      if (found == epochs_.end()) {
        return absl::FailedPreconditionError(
            absl::StrCat("epoch ", epoch, " is over, or not prepared"));
      }
      link = found->second.link.get();
      link->Add();
      found->second.fetches.insert(&context);
    }
    v1::GetCommunicatorIdRequest request;
    request.set_epoch(epoch);
    status = v1::Ranks::NewStub(link->channel())->GetCommunicatorId(&context, request, &response);
    const Lock lock(mutex_);
    const auto found = epochs_.find(epoch);
    if (found != epochs_.end()) found->second.fetches.erase(&context);
  }
  link->Remove();
  if (!status.ok()) {
    return AddContext(FromGrpc(status), absl::StrCat("the communicator of epoch ", epoch));
  }
  return std::move(*response.mutable_id());
}

void RankLink::Send(const StepOffer& offer) {
  std::shared_ptr<RankStream> stream;
  {
    const Lock lock(mutex_);
    const auto found = epochs_.find(offer.epoch);
    if (found == epochs_.end()) return;
    found->second.offer = offer;
    stream = found->second.stream;
  }
  // One that is broken drops it; the next one makes it.
  if (stream != nullptr) stream->Send(offer);
}

void RankLink::OnEnd(const RankStreamEnd& end) {
  RankTrouble trouble{.epoch = end.seat.epoch, .status = end.status};
  {
    const Lock lock(mutex_);
    const auto found = epochs_.find(end.seat.epoch);
    if (found == epochs_.end() || found->second.attempts != end.seat.attempt) return;
    Epoch& epoch = found->second;
    if (end.heard_last && !end.unsound) {
      static_cast<void>(Forget(found));
      changed_.notify_all();
      return;
    }
    epoch.stream = nullptr;
    epoch.given_up = end.unsound || IsFinal(end.status);
    trouble.retried = !epoch.given_up;
    const absl::Time now = absl::Now();
    const bool served = end.heard > epoch.heard || now - epoch.opened_at > options_.longest_retry;
    epoch.heard = end.heard;
    epoch.retry = served || epoch.retry == absl::ZeroDuration()
                      ? options_.first_retry
                      : std::min(2 * epoch.retry, options_.longest_retry);
    epoch.retry_at = now + epoch.retry;
  }
  changed_.notify_all();
  if (options_.on_trouble != nullptr) options_.on_trouble(trouble);
}

void RankLink::BreakStreams() {
  const Lock lock(mutex_);
  for (const auto& [number, epoch] : epochs_) {
    if (epoch.stream != nullptr) epoch.stream->Cancel();
  }
}

absl::Time RankLink::Reopen() {
  absl::Time next = absl::InfiniteFuture();
  const absl::Time now = absl::Now();
  for (auto& [number, epoch] : epochs_) {
    if (epoch.stream != nullptr || epoch.given_up) continue;
    if (epoch.retry_at <= now) {
      Open(number, epoch);
    } else {
      next = std::min(next, epoch.retry_at);
    }
  }
  return next;
}

void RankLink::Keep() {
  Lock lock(mutex_);
  while (!stopping_) {
    std::erase_if(old_links_, [](const auto& link) { return link->idle(); });
    const absl::Time next = Reopen();
    if (next == absl::InfiniteFuture()) {
      changed_.wait(lock);
    } else {
      changed_.wait_until(lock, absl::ToChronoTime(next));
    }
  }
}

void RankLink::Stop() {
  std::vector<std::unique_ptr<ChannelLink>> links;
  {
    const Lock lock(mutex_);
    if (std::exchange(stopping_, true)) return;
    for (auto it = epochs_.begin(); it != epochs_.end();) it = Forget(it);
  }
  changed_.notify_all();
  keeper_.join();
  {
    const Lock lock(mutex_);
    links = std::move(old_links_);
  }
  // Without the lock, which the ends of streams take.
  for (const std::unique_ptr<ChannelLink>& link : links) link->WaitUntilIdle();
}

}  // namespace sextant
