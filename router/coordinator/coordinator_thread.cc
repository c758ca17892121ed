#include "router/coordinator/coordinator_thread.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace sextant {
namespace {

constexpr std::size_t kMostWork = 8192;
constexpr absl::Duration kTick = absl::Milliseconds(50);
constexpr absl::Duration kPublishInterval = absl::Milliseconds(500);

}  // namespace

// The streams by number. The coordinator's thread makes every call.
class CoordinatorThread::Output final : public CoordinatorOutput {
 public:
  explicit Output(ClusterMetrics* metrics) : metrics_(metrics) {}

  void Add(StreamId id, std::shared_ptr<CoordinatorStream> stream) {
    streams_.emplace(id, std::move(stream));
  }
  void AddHost(StreamId id, std::shared_ptr<HostStream> stream) {
    hosts_.emplace(id, std::move(stream));
  }
  [[nodiscard]] bool HasHost(StreamId id) const { return hosts_.contains(id); }
  void Drop(StreamId id) {
    streams_.erase(id);
    hosts_.erase(id);
  }

  void Send(StreamId id, const v1::CoordinatorMessage& message) override {
    const auto found = streams_.find(id);
    if (found != streams_.end() && !found->second->Send(message)) overflowed_.push_back(id);
  }

  void End(StreamId id, const absl::Status& status) override {
    const auto found = streams_.find(id);
    if (found == streams_.end()) return;
    found->second->End(status);
    streams_.erase(found);
  }

  void SendOrders(StreamId id, const v1::HostOrders& orders) override {
    const auto found = hosts_.find(id);
    if (found == hosts_.end() || found->second->Send(orders)) return;
    // Its end comes back as the end of the stream.
    found->second->End(absl::ResourceExhaustedError("the host does not read its orders"));
  }

  void EndHost(StreamId id, const absl::Status& status) override {
    const auto found = hosts_.find(id);
    if (found == hosts_.end()) return;
    found->second->End(status);
    hosts_.erase(found);
  }

  void EndAll(const absl::Status& status) {
    for (const auto& [id, stream] : streams_) stream->End(status);
    for (const auto& [id, stream] : hosts_) stream->End(status);
    streams_.clear();
    hosts_.clear();
  }

  void PhaseEnded(const char* phase, absl::Duration took) override {
    if (metrics_ != nullptr) metrics_->PhaseEnded(phase, took);
  }
  void EpochCommitted(const std::string& cause, int moved) override {
    if (metrics_ != nullptr) metrics_->EpochCommitted(cause, moved);
  }

  void SetDirectory(const std::vector<AttentionWorkerInfo>& workers) override {
    if (listener) listener(workers);
  }
  void SetCover(const ExpertCover& cover) override {
    if (cover_listener) cover_listener(cover);
  }

  // Streams whose Send has failed since the last call.
  std::vector<StreamId> TakeOverflowed() { return std::exchange(overflowed_, {}); }

  std::function<void(const std::vector<AttentionWorkerInfo>&)> listener;
  std::function<void(const ExpertCover&)> cover_listener;

 private:
  ClusterMetrics* const metrics_;  // may be null
  std::map<StreamId, std::shared_ptr<CoordinatorStream>> streams_;
  std::map<StreamId, std::shared_ptr<HostStream>> hosts_;
  std::vector<StreamId> overflowed_;
};

CoordinatorThread::CoordinatorThread(CoordinatorConfig config,
                                     std::function<v1::QueueStatus()> queue_status,
                                     Metrics* metrics)
    : queue_status_(std::move(queue_status)),
      metrics_(metrics == nullptr ? nullptr : std::make_unique<ClusterMetrics>(*metrics)),
      output_(std::make_unique<Output>(metrics_.get())),
      coordinator_(std::move(config), clock_, *output_),
      work_(kMostWork) {}

CoordinatorThread::~CoordinatorThread() { Stop(); }

void CoordinatorThread::Subscribe(
    std::function<void(const std::vector<AttentionWorkerInfo>&)> listener) {
  output_->listener = std::move(listener);
}

void CoordinatorThread::SubscribeToCover(std::function<void(const ExpertCover&)> listener) {
  output_->cover_listener = std::move(listener);
}

void CoordinatorThread::Start() {
  thread_ = std::thread([this] { Run(); });
}

void CoordinatorThread::Stop() {
  work_.Close();
  if (thread_.joinable()) thread_.join();
}

StreamId CoordinatorThread::Open(std::shared_ptr<CoordinatorStream> stream) {
  const StreamId id = ++streams_;
  // Where this fails, so does the Receive that follows.
  static_cast<void>(Push([this, id, stream = std::move(stream)] {
    output_->Add(id, stream);
    coordinator_.Opened(id);
  }));
  return id;
}

bool CoordinatorThread::Receive(StreamId stream, v1::WorkerMessage message) {
  return Push(
      [this, stream, message = std::move(message)] { coordinator_.Received(stream, message); });
}

void CoordinatorThread::Close(StreamId stream) {
  const bool pushed = Push([this, stream] { Forget(stream); });
  if (pushed) return;
  const MutexLock lock(mutex_);
  closed_.push_back(stream);
}

void CoordinatorThread::Drain(std::string worker_id,
                              std::function<void(const absl::Status&)> done) {
  const bool pushed =
      Push([this, worker_id = std::move(worker_id), done] { done(coordinator_.Drain(worker_id)); });
  if (!pushed) done(absl::UnavailableError("the coordinator takes no more work now"));
}

StreamId CoordinatorThread::OpenHost(std::shared_ptr<HostStream> stream) {
  const StreamId id = ++streams_;
  static_cast<void>(Push([this, id, stream = std::move(stream)] { output_->AddHost(id, stream); }));
  return id;
}

bool CoordinatorThread::ReceiveHost(StreamId stream, v1::HostReport report) {
  return Push([this, stream, report = std::move(report)] {
    if (output_->HasHost(stream)) coordinator_.HostReported(stream, report);
  });
}

void CoordinatorThread::Scale(v1::ScaleRequest request, OnStarted done) {
  StartChange(
      [this, request](std::uint64_t& number) {
        return request.dry_run() ? coordinator_.PlanScale(request.role(), request.count())
                                 : coordinator_.Scale(request.role(), request.count(), number);
      },
      std::move(done));
}

void CoordinatorThread::Rebalance(bool dry_run, OnStarted done) {
  StartChange(
      [this, dry_run](std::uint64_t& number) {
        return dry_run ? coordinator_.PlanRebalance() : coordinator_.Rebalance(number);
      },
      std::move(done));
}

void CoordinatorThread::SetPlacement(const PlacementSettings& settings) {
  const MutexLock lock(mutex_);
  settings_ = settings;
}

void CoordinatorThread::StartChange(
    std::function<absl::StatusOr<v1::ChangeProgress>(std::uint64_t& number)> change,
    OnStarted done) {
  const bool pushed = Push([this, change = std::move(change), done] {
    StartedChange started;
    absl::StatusOr<v1::ChangeProgress> plan = change(started.number);
    if (!plan.ok()) return done(plan.status());
    started.plan = *std::move(plan);
    // Who watches from here on finds the goal in the status.
    PublishIfDue();
    done(started);
  });
  if (!pushed) done(absl::UnavailableError("the coordinator takes no more work now"));
}

bool CoordinatorThread::Push(Work work) { return work_.TryPush(std::move(work)); }

void CoordinatorThread::Run() {
  PublishIfDue();
  absl::Time next_tick = clock_.Now() + kTick;
  while (!work_.closed()) {
    const absl::Duration wait = std::max(next_tick - clock_.Now(), absl::ZeroDuration());
    if (const auto work = work_.PopFor(absl::ToChronoNanoseconds(wait))) (*work)();
    if (clock_.Now() >= next_tick) {
      // Heartbeats that are here already count, however late the tick is.
      for (const Work& work : work_.PopAll()) work();
      coordinator_.Tick();
      next_tick = clock_.Now() + kTick;
    }
    CloseMissed();
    TakeSettings();
    for (const StreamId stream : output_->TakeOverflowed()) coordinator_.Overflowed(stream);
    PublishIfDue();
  }
  output_->EndAll(absl::UnavailableError("the router is stopping"));
}

void CoordinatorThread::CloseMissed() {
  std::vector<StreamId> closed;
  {
    const MutexLock lock(mutex_);
    closed.swap(closed_);
  }
  for (const StreamId stream : closed) Forget(stream);
}

void CoordinatorThread::TakeSettings() {
  std::optional<PlacementSettings> settings;
  {
    const MutexLock lock(mutex_);
    settings.swap(settings_);
  }
  if (settings.has_value()) coordinator_.SetPlacement(*settings);
}

// Of a worker or of a host: they share the numbers.
void CoordinatorThread::Forget(StreamId stream) {
  output_->Drop(stream);
  coordinator_.Closed(stream);
  coordinator_.HostClosed(stream);
}

void CoordinatorThread::PublishIfDue() {
  const absl::Time now = clock_.Now();
  const std::uint64_t changes = coordinator_.changes();
  if (changes == published_changes_ && now - published_at_ < kPublishInterval) return;
  published_changes_ = changes;
  published_at_ = now;
  v1::ClusterStatus status = coordinator_.Status();
  if (queue_status_) *status.mutable_queue() = queue_status_();
  if (metrics_ != nullptr) metrics_->Show(status);
  board_.Publish(std::move(status));
}

}  // namespace sextant
