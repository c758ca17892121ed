#include "router/service/control_plane/admin_service.h"

#include <memory>
#include <optional>
#include <string>

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

using StatusReactor = WatchReactor<v1::ClusterStatus>;
using ProgressReactor = WatchReactor<v1::ChangeProgress>;

absl::Status TooManyWatch() {
  return WithRetryDelay(
      WithReason(absl::ResourceExhaustedError(absl::StrCat(
                     kMostWatching, " calls watch this cluster already; end one of them")),
                 "TOO_MANY_WATCHERS"),
      absl::Seconds(5));
}

}  // namespace

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
  const auto reactor =
      StatusReactor::Make(coordinator_.board(), watching_, 1, [](const v1::ClusterStatus& status) {
        return StatusReactor::Step{.message = status, .last = false};
      });
  if (watching_ > kMostWatching) {
    reactor->Fail(TooManyWatch());
  } else {
    reactor->Start();
  }
  return reactor.get();
}

grpc::ServerWriteReactor<v1::ChangeProgress>* AdminService::Drain(
    grpc::CallbackServerContext* /*context*/, const v1::DrainRequest* request) {
  auto progress = std::make_shared<DrainProgress>(request->worker_id());
  const auto reactor = ProgressReactor::Make(
      coordinator_.board(), watching_, kMostSteps, [progress](const v1::ClusterStatus& status) {
        ProgressReactor::Step step{.message = progress->Update(status), .last = false};
        step.last = step.message.has_value() && step.message->done();
        return step;
      });
  if (watching_ > kMostWatching) {
    reactor->Fail(TooManyWatch());
    return reactor.get();
  }
  coordinator_.Drain(request->worker_id(), [reactor](const absl::Status& status) {
    if (status.ok()) {
      reactor->Start();
    } else {
      reactor->Fail(status);
    }
  });
  return reactor.get();
}

grpc::ServerWriteReactor<v1::ChangeProgress>* AdminService::Scale(
    grpc::CallbackServerContext* /*context*/, const v1::ScaleRequest* request) {
  // Made when the coordinator has set the goal, before the first status is looked at; a dry run has
  // none.
  const auto progress = std::make_shared<std::optional<ScaleProgress>>();
  const auto reactor = ProgressReactor::Make(
      coordinator_.board(), watching_, kMostSteps, [progress](const v1::ClusterStatus& status) {
        if (!progress->has_value()) return ProgressReactor::Step{.last = true};
        ProgressReactor::Step step{.message = (*progress)->Update(status)};
        step.end = (*progress)->failure();
        step.last = !step.end.ok() || (step.message.has_value() && step.message->done());
        return step;
      });
  if (watching_ > kMostWatching) {
    reactor->Fail(TooManyWatch());
    return reactor.get();
  }
  coordinator_.Scale(*request,
                     [progress, reactor, role = request->role()](
                         const absl::StatusOr<CoordinatorThread::StartedChange>& started) {
                       if (!started.ok()) return reactor->Fail(started.status());
                       v1::ChangeProgress plan = started->plan;
                       plan.set_done(started->number == 0);
                       reactor->Say(std::move(plan));
                       if (started->number != 0) progress->emplace(role, started->number);
                       reactor->Start();
                     });
  return reactor.get();
}

grpc::ServerWriteReactor<v1::ChangeProgress>* AdminService::Rebalance(
    grpc::CallbackServerContext* /*context*/, const v1::RebalanceRequest* request) {
  const auto progress = std::make_shared<std::optional<RebalanceProgress>>();
  const auto reactor = ProgressReactor::Make(
      coordinator_.board(), watching_, kMostSteps, [progress](const v1::ClusterStatus& status) {
        if (!progress->has_value()) return ProgressReactor::Step{.last = true};
        ProgressReactor::Step step{.message = (*progress)->Update(status)};
        step.last = step.message.has_value() && step.message->done();
        return step;
      });
  if (watching_ > kMostWatching) {
    reactor->Fail(TooManyWatch());
    return reactor.get();
  }
  coordinator_.Rebalance(
      request->dry_run(),
      [progress, reactor](const absl::StatusOr<CoordinatorThread::StartedChange>& started) {
        if (!started.ok()) return reactor->Fail(started.status());
        v1::ChangeProgress plan = started->plan;
        plan.set_done(started->number == 0);
        reactor->Say(std::move(plan));
        if (started->number != 0) progress->emplace(started->number);
        reactor->Start();
      });
  return reactor.get();
}

}  // namespace sextant
