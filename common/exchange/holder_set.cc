#include "common/exchange/holder_set.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/exchange/holder_table.h"
#include "common/rpc/channel.h"

namespace sextant {
namespace {

// A coordinator changes one epoch at a time; what it gave up leaves a few behind.
constexpr std::size_t kMaxPrepared = 8;

// How often a wait for a connection looks whether it still makes sense.
constexpr absl::Duration kLook = absl::Milliseconds(20);

}  // namespace

HolderSet::~HolderSet() {
  const MutexLock lock(mutex_);
  for (auto& [id, holder] : holders_) Forget(holder);
  holders_.clear();
  // The ends of streams take no lock of this.
  for (const std::unique_ptr<ChannelLink>& link : old_links_) link->WaitUntilIdle();
}

HolderId HolderSet::IdOf(const v1::PlacedWorker& worker) {
  const std::string target = TargetOf(worker.endpoint(), options_.own_host_id);
  for (const auto& [id, holder] : holders_) {
    if (holder.worker_id == worker.worker_id() && holder.target == target) return id;
  }
  const HolderId id = ++last_id_;
  Holder& holder = holders_[id];
  holder.worker_id = worker.worker_id();
  holder.target = target;
  holder.link = std::make_unique<ChannelLink>(OpenChannel(target));
  return id;
}

void HolderSet::Open(HolderId id, Holder& holder) {
  holder.stream = HolderStream::Open(
      {.link = *holder.link, .holder = id, .stream = ++last_stream_, .box = box_});
}

absl::Status HolderSet::Prepare(const v1::Placement& placement) {
  std::shared_ptr<HolderTable> table;
  {
    const MutexLock lock(mutex_);
    if (placement.epoch() <= committed_->epoch) {
      return absl::InvalidArgumentError(absl::StrCat("epoch ", placement.epoch(),
                                                     " is not newer than the committed one, ",
                                                     committed_->epoch));
    }
    for (const v1::PlacedWorker& worker : placement.expert_workers()) {
      if (TargetOf(worker.endpoint(), options_.own_host_id).empty()) {
        return absl::InvalidArgumentError(
            absl::StrCat("worker ", worker.worker_id(),
                         " cannot be reached: it is on another host and has no TCP address"));
      }
    }
    // The lock is held by this function; the analysis does not look into lambdas.
    const auto id_of = [this](const v1::PlacedWorker& worker)
                           ABSL_NO_THREAD_SAFETY_ANALYSIS { return IdOf(worker); };
    ASSIGN_OR_RETURN(HolderTable made, MakeHolderTable(placement, options_.num_experts, id_of));
    table = std::make_shared<HolderTable>(std::move(made));
    for (const HolderId id : table->holders) {
      Holder& holder = holders_[id];
      if (holder.stream == nullptr) Open(id, holder);
    }
    prepared_[placement.epoch()] = table;
    if (prepared_.size() > kMaxPrepared) prepared_.erase(prepared_.begin());
  }
  return WaitForAll(*table);
}

absl::Status HolderSet::WaitForAll(const HolderTable& table) const {
  const absl::Time deadline = absl::Now() + options_.connect_timeout;
  for (const HolderId id : table.holders) {
    std::string name;
    std::string target;
    std::shared_ptr<grpc::Channel> channel;
    {
      const MutexLock lock(mutex_);
      const auto found = holders_.find(id);
      if (found == holders_.end()) continue;  // a newer commit has overtaken this placement
      name = found->second.worker_id;
      target = found->second.target;
      channel = found->second.link->channel();
    }
    absl::Time now = absl::Now();
    while (!channel->WaitForConnected(absl::ToChronoTime(std::min(deadline, now + kLook)))) {
      if (table.epoch < newest_asked_.load()) {
        return absl::AbortedError(absl::StrCat("epoch ", newest_asked_.load(), " has come"));
      }
      now = absl::Now();
      if (now < deadline) continue;
      return absl::UnavailableError(absl::StrCat("worker ", name, " cannot be reached at ", target,
                                                 " within ",
                                                 absl::FormatDuration(options_.connect_timeout)));
    }
  }
  return absl::OkStatus();
}

void HolderSet::Supersede(std::uint64_t epoch) {
  std::uint64_t newest = newest_asked_.load();
  while (newest < epoch && !newest_asked_.compare_exchange_weak(newest, epoch)) {
  }
}

bool HolderSet::Commit(std::uint64_t epoch) {
  const MutexLock lock(mutex_);
  const auto found = prepared_.find(epoch);
  if (found == prepared_.end() || epoch <= committed_->epoch) return false;
  committed_ = found->second;
  prepared_.erase(prepared_.begin(), prepared_.upper_bound(epoch));
  ForgetUnnamed();
  return true;
}

void HolderSet::ForgetUnnamed() {
  for (auto it = holders_.begin(); it != holders_.end();) {
    bool named = committed_->Names(it->first);
    for (const auto& [epoch, table] : prepared_) named = named || table->Names(it->first);
    if (named) {
      ++it;
      continue;
    }
    Forget(it->second);
    it = holders_.erase(it);
  }
  std::erase_if(old_links_, [](const std::unique_ptr<ChannelLink>& link) { return link->idle(); });
}

void HolderSet::Forget(Holder& holder) {
  if (holder.stream != nullptr) holder.stream->Cancel();
  holder.stream = nullptr;
  old_links_.push_back(std::move(holder.link));
}

std::shared_ptr<const HolderTable> HolderSet::committed() const {
  const MutexLock lock(mutex_);
  return committed_;
}

std::shared_ptr<HolderStream> HolderSet::StreamTo(HolderId holder) {
  const MutexLock lock(mutex_);
  const auto found = holders_.find(holder);
  if (found == holders_.end()) return nullptr;
  if (found->second.stream == nullptr) Open(holder, found->second);
  return found->second.stream;
}

bool HolderSet::Drop(HolderId holder, std::uint64_t stream) {
  const MutexLock lock(mutex_);
  const auto found = holders_.find(holder);
  if (found == holders_.end() || found->second.stream == nullptr ||
      found->second.stream->stream() != stream) {
    return false;
  }
  found->second.stream->Cancel();
  found->second.stream = nullptr;
  return true;
}

std::string HolderSet::NameOf(HolderId holder) const {
  const MutexLock lock(mutex_);
  const auto found = holders_.find(holder);
  return found == holders_.end() ? "a worker that has gone" : found->second.worker_id;
}

}  // namespace sextant
