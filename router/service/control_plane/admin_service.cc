#include "router/service/control_plane/admin_service.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors/error_details.h"
#include "common/rpc/status.h"
#include "router/service/control_plane/drain_progress.h"
#include "router/service/control_plane/rebalance_progress.h"
#include "router/service/control_plane/scale_progress.h"
#include "router/service/control_plane/watch_reactor.h"

namespace sextant {
namespace {

constexpr int kMostWatching = 64;
constexpr std::size_t kMostSteps = 64;  // of a change, that wait for a slow client

using ProgressReactor = WatchReactor<v1::ChangeProgress>;

absl::Status TooManyWatch() {
  return WithRetryDelay(
      WithReason(absl::ResourceExhaustedError(absl::StrCat(
                     kMostWatching, " calls watch this cluster already; end one of them")),
                 "TOO_MANY_WATCHERS"),
      absl::Seconds(5));
}

// What a progress says of one status after another, as the steps of a call.
template <typename Progress>
ProgressReactor::Translate StepsOf(Progress progress) {
  return [progress = std::move(progress)](const v1::ClusterStatus& status) mutable {
    absl::StatusOr<std::optional<v1::ChangeProgress>> update = progress.Update(status);
    if (!update.ok()) return ProgressReactor::Step{.last = true, .end = update.status()};
    const bool done = update->has_value() && (*update)->done();
    return ProgressReactor::Step{.message = *std::move(update), .last = done};
  };
}

// Answers with the plan of a change, then, unless it was a dry run, with the progress that
// `progress_of` makes for the number of what was started.
template <typename ProgressOf>
CoordinatorThread::OnStarted FollowStarted(std::shared_ptr<ProgressReactor> reactor,
                                           ProgressOf progress_of) {
  return [reactor = std::move(reactor), progress_of = std::move(progress_of)](
             const absl::StatusOr<CoordinatorThread::StartedChange>& started) {
    if (!started.ok()) return reactor->Fail(started.status());
    const bool is_dry_run = started->number == 0;
    v1::ChangeProgress plan = started->plan;
    plan.set_done(is_dry_run);
    reactor->Say(std::move(plan));
    if (is_dry_run) {
      reactor->Start([](const v1::ClusterStatus&) { return ProgressReactor::Step{.last = true}; });
    } else {
      reactor->Start(StepsOf(progress_of(started->number)));
    }
  };
}

}  // namespace

template <typename Message, typename Begin>
grpc::ServerWriteReactor<Message>* AdminService::Answer(std::size_t most_waiting,
                                                        const Begin& begin) {
  const auto reactor = WatchReactor<Message>::Make(coordinator_.board(), watching_, most_waiting);
  if (watching_ > kMostWatching) {
    reactor->Fail(TooManyWatch());
  } else {
    begin(reactor);
  }
  return reactor.get();
}

grpc::ServerUnaryReactor* AdminService::Status(grpc::CallbackServerContext* context,
                                               const v1::StatusRequest* /*request*/,
                                               v1::ClusterStatus* response) {
  *response = *coordinator_.board().newest();
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerWriteReactor<v1::ClusterStatus>* AdminService::Watch(
    grpc::CallbackServerContext* /*context*/, const v1::StatusRequest* /*request*/) {
  using StatusReactor = WatchReactor<v1::ClusterStatus>;
  return Answer<v1::ClusterStatus>(1, [](const auto& reactor) {
    reactor->Start(
        [](const v1::ClusterStatus& status) { return StatusReactor::Step{.message = status}; });
  });
}

grpc::ServerWriteReactor<v1::ChangeProgress>* AdminService::Drain(
    grpc::CallbackServerContext* /*context*/, const v1::DrainRequest* request) {
  const std::string& worker_id = request->worker_id();
  return Answer<v1::ChangeProgress>(kMostSteps, [&](const auto& reactor) {
    coordinator_.Drain(worker_id, [reactor, worker_id](const absl::Status& status) {
      if (!status.ok()) return reactor->Fail(status);
      reactor->Start(StepsOf(DrainProgress(worker_id)));
    });
  });
}

grpc::ServerWriteReactor<v1::ChangeProgress>* AdminService::Scale(
    grpc::CallbackServerContext* /*context*/, const v1::ScaleRequest* request) {
  return Answer<v1::ChangeProgress>(kMostSteps, [&](const auto& reactor) {
    coordinator_.Scale(*request,
                       FollowStarted(reactor, [role = request->role()](std::uint64_t number) {
                         return ScaleProgress(role, number);
                       }));
  });
}

grpc::ServerWriteReactor<v1::ChangeProgress>* AdminService::Rebalance(
    grpc::CallbackServerContext* /*context*/, const v1::RebalanceRequest* request) {
  return Answer<v1::ChangeProgress>(kMostSteps, [&](const auto& reactor) {
    coordinator_.Rebalance(request->dry_run(), FollowStarted(reactor, [](std::uint64_t number) {
                             return RebalanceProgress(number);
                           }));
  });
}

}  // namespace sextant
