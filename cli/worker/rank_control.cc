#include "cli/worker/rank_control.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status.h"
#include "common/rpc/channel.h"

namespace sextant::cli {
namespace {

// That all ranks may take to load their experts and open a communicator; the coordinator gives up
// earlier.
constexpr absl::Duration kOpenTimeout = absl::Hours(1);
// Beyond what the coordinator gives ranks to answer a halt.
constexpr absl::Duration kHaltPatience = absl::Seconds(10);
constexpr absl::Duration kStepPatience = absl::Seconds(2);

absl::StatusOr<RankLayout> LayoutOf(const v1::Placement& placement, std::int32_t num_experts) {
  std::vector<RankRole> roles;
  for (const v1::PlacedWorker& worker : placement.ranks()) {
    roles.push_back({.attends = worker.attends(),
                     .experts = {worker.experts().begin(), worker.experts().end()}});
  }
  return RankLayout::Make(num_experts, std::move(roles));
}

std::vector<std::int32_t> Union(const std::vector<std::int32_t>& a,
                                const std::vector<std::int32_t>& b) {
  std::vector<std::int32_t> all;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(all));
  return all;
}

std::optional<int> RankOf(const v1::Placement& placement, const std::string& worker_id) {
  for (int rank = 0; rank < placement.ranks_size(); ++rank) {
    if (placement.ranks(rank).worker_id() == worker_id) return rank;
  }
  return std::nullopt;
}

}  // namespace

RankControl::RankControl(Options options)
    : options_(std::move(options)),
      host_(options_.limits),
      service_(host_),
      link_({.on_trouble = [this](const RankTrouble& trouble) { OnTrouble(trouble); }}) {}

void RankControl::Use(DeviceRank& rank) {
  rank_ = &rank;
  link_.Use(rank.exchange().gate());
  aborter_ = std::thread([this] { AbortLater(); });
}

absl::Status RankControl::Prepare(const v1::Placement& placement, const std::string& worker_id) {
  const absl::Time began = absl::Now();
  const std::uint64_t epoch = placement.epoch();
  // One that a halt has overtaken is no word that all have halted.
  if (IsHalted(epoch)) return absl::CancelledError(absl::StrCat("epoch ", epoch, " is over"));
  AbortHalted(epoch);
  waiting_.reset();
  if (prepared_.number != committed_.number) link_.GiveUp(prepared_.number);
  prepared_ = {.number = epoch, .rank = RankOf(placement, worker_id), .experts = {}};
  if (!prepared_.rank.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const RankLayout layout, LayoutOf(placement, options_.num_experts));
  const int rank = *prepared_.rank;
  prepared_.experts = layout.role(rank).experts;
  // Without those of epochs that were given up.
  rank_->KeepExperts(Union(committed_.experts, prepared_.experts));
  ASSIGN_OR_RETURN(const DeviceUpload::Totals loaded, rank_->LoadExperts(prepared_.experts));

  const int conductor = layout.attention_ranks().front();
  if (rank == conductor) {
    ASSIGN_OR_RETURN(std::string id, options_.network.MakeId());
    host_.Conduct(epoch, layout, std::move(id));
  }
  link_.Prepare(epoch, rank, TargetOf(placement.ranks(conductor).endpoint(), HostId()));
  ASSIGN_OR_RETURN(std::shared_ptr<Communicator> communicator,
                   OpenCommunicator(epoch, rank, layout.size()));
  RankMembership membership = {epoch, std::move(communicator), layout};
  RETURN_IF_ERROR(rank_->exchange().CheckMembership(membership));
  if (IsInEpoch()) {
    RETURN_IF_ERROR(rank_->exchange().Prepare(std::move(membership)));
  } else {
    waiting_.emplace(std::move(membership));
  }
  options_.log.Info("prepared", {{"epoch", epoch},
                                 {"rank", rank},
                                 {"ranks", layout.size()},
                                 {"experts", prepared_.experts.size()},
                                 {"loaded_mib", loaded.bytes >> 20},
                                 {"load_seconds", loaded.seconds},
                                 {"seconds", absl::Now() - began}});
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<Communicator>> RankControl::OpenCommunicator(std::uint64_t epoch,
                                                                            int rank, int size) {
  if (!BeginOpening(epoch)) return absl::CancelledError("there is a later epoch");
  absl::StatusOr<std::shared_ptr<Communicator>> opened =
      [&]() -> absl::StatusOr<std::shared_ptr<Communicator>> {
    ASSIGN_OR_RETURN(const std::string id, link_.FetchId(epoch, kOpenTimeout));
    // A communicator is of the GPU that the thread's last call was of.
    GpuInfo info;
    RETURN_IF_ERROR(ToStatus(rank_->stream().gpu().Describe(&info), "the GPU's properties"));
    return options_.network.Open(
        {.id = id, .rank = rank, .size = size, .timeout = kOpenTimeout, .cancelled = &cancelled_});
  }();
  EndOpening();
  return opened;
}

bool RankControl::BeginOpening(std::uint64_t epoch) {
  const MutexLock lock(mutex_);
  if (epoch < std::max(newest_, halted_)) return false;
  opening_ = epoch;
  cancelled_ = false;
  return true;
}

void RankControl::EndOpening() {
  const MutexLock lock(mutex_);
  opening_ = 0;
}

void RankControl::CancelBefore(std::uint64_t next) {
  if (opening_ == 0 || opening_ >= next) return;
  cancelled_ = true;
  link_.GiveUp(opening_);
}

void RankControl::Supersede(std::uint64_t epoch) {
  const MutexLock lock(mutex_);
  newest_ = std::max(newest_, epoch);
  CancelBefore(epoch);
}

void RankControl::Commit(std::uint64_t epoch) {
  // A word to nobody where the epoch before is conducted elsewhere, or over.
  if (committed_.number != 0) host_.Switch(committed_.number, epoch);
  link_.EndBefore(committed_.number);
  committed_ = prepared_;
  if (waiting_.has_value()) {
    const absl::Status prepared = rank_->exchange().Prepare(*std::exchange(waiting_, std::nullopt));
    if (!prepared.ok() && !IsHalted(epoch)) return options_.on_broken(prepared);
  }
  const bool entered = rank_->exchange().AwaitEntered(epoch);
  options_.log.Info(entered ? "committed" : "halted while committing", {{"epoch", epoch}});
}

bool RankControl::IsInEpoch() const {
  return committed_.rank.has_value() && !IsHalted(committed_.number);
}

void RankControl::Halt(std::uint64_t before) {
  {
    const MutexLock lock(mutex_);
    halted_ = std::max(halted_, before);
    CancelBefore(before);
  }
  host_.EndBefore(before);
  link_.EndBefore(before);
  rank_->exchange().Halt(before);
  // If no epoch follows: by then all have halted, or are gone.
  AbortAt(absl::Now() + kHaltPatience);
}

void RankControl::AbortHalted(std::uint64_t next) {
  const std::uint64_t halted = HaltedBefore();
  if (halted > next || committed_.number >= halted) return;
  rank_->exchange().EndBefore(halted);
  // Experts may be exchanged for others as soon as no step reads them.
  if (rank_->exchange().AwaitEntered(halted)) committed_ = {};
}

void RankControl::AbortAt(absl::Time time) {
  {
    const std::lock_guard<std::mutex> lock(timer_mutex_);
    abort_at_ = time;
  }
  timer_changed_.notify_one();
}

void RankControl::AbortLater() {
  std::unique_lock<std::mutex> lock(timer_mutex_);
  while (!stopped_) {
    if (abort_at_ == absl::InfiniteFuture()) {
      timer_changed_.wait(lock);
    } else if (absl::Now() < abort_at_) {
      timer_changed_.wait_until(lock, absl::ToChronoTime(abort_at_));
    } else {
      abort_at_ = absl::InfiniteFuture();
      lock.unlock();
      rank_->exchange().EndBefore(HaltedBefore());
      lock.lock();
    }
  }
}

std::uint64_t RankControl::HaltedBefore() const {
  const MutexLock lock(mutex_);
  return halted_;
}

bool RankControl::IsHalted(std::uint64_t epoch) const { return epoch < HaltedBefore(); }

void RankControl::Retire(std::uint64_t epoch) {
  rank_->KeepExperts(committed_.experts);
  options_.log.Info("retired what the epoch does not place here",
                    {{"epoch", epoch}, {"held", committed_.experts.size()}});
}

void RankControl::StopSteps() {
  constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
  rank_->exchange().gate().Stop();
  Halt(kNever);
  // The step that is under way ends with all other ranks, or when they have heard that this one is
  // gone; an abort before that might look to them as if its rows had come.
  AbortAt(absl::Now() + kStepPatience);
}

void RankControl::StopStreams() {
  {
    const std::lock_guard<std::mutex> lock(timer_mutex_);
    stopped_ = true;
  }
  timer_changed_.notify_one();
  if (aborter_.joinable()) aborter_.join();
  waiting_.reset();
  link_.Stop();
}

void RankControl::OnTrouble(const RankTrouble& trouble) {
  // Over there: here soon, too.
  if (absl::IsFailedPrecondition(trouble.status) || IsHalted(trouble.epoch)) return;
  options_.log.Warning(
      "a stream to a conductor broke",
      {{"epoch", trouble.epoch}, {"again", trouble.retried}, {"error", trouble.status.ToString()}});
  if (!trouble.retried) options_.on_broken(trouble.status);
}

}  // namespace sextant::cli
