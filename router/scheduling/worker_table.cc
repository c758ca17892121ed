#include "router/scheduling/worker_table.h"

#include <algorithm>

namespace sextant::router {
namespace {

// Blocks whose workers are remembered: 64 MiB of entries at most.
constexpr std::size_t kRememberedBlocks = std::size_t{1} << 19U;
constexpr absl::Duration kFirstPause = absl::Milliseconds(20);
constexpr absl::Duration kLongestPause = absl::Seconds(1);

absl::Duration PauseAfter(int failed_streams) {
  if (failed_streams <= 1) return absl::ZeroDuration();
  return std::min(kLongestPause, kFirstPause * (1 << std::min(failed_streams - 2, 10)));
}

bool CanHoldSequences(const AttentionWorkerInfo& info) {
  return info.block_tokens >= 1 && info.cache_blocks >= 1 && info.max_sequences >= 1;
}

}  // namespace

WorkerTable::WorkerTable(AttentionPeers& peers) : peers_(peers), prefixes_(kRememberedBlocks) {}

void WorkerTable::SetListed(const std::vector<AttentionWorkerInfo>& listed, absl::Time now) {
  for (auto& [id, worker] : workers_) {
    if (worker.listed) worker.unlisted_at = now;
    worker.listed = false;
  }
  for (const AttentionWorkerInfo& info : listed) {
    if (!CanHoldSequences(info)) continue;
    auto [found, is_new] = workers_.try_emplace(info.worker_id);
    found->second.listed = true;
    if (!is_new) continue;
    found->second.info = info;
    found->second.connect_at = now;
  }
  DropUnused();
  Connect(now);
}

void WorkerTable::Connect(absl::Time now) {
  for (auto& [id, worker] : workers_) {
    if (worker.peer != nullptr || !worker.listed || worker.connect_at > now) continue;
    worker.number = ++last_number_;
    worker.peer = peers_.Connect(worker.info, worker.number);
  }
}

absl::Time WorkerTable::NextConnect() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [id, worker] : workers_) {
    if (worker.peer == nullptr && worker.listed) next = std::min(next, worker.connect_at);
  }
  return next;
}

AttentionWorker* WorkerTable::Find(PeerNumber number) {
  for (auto& [id, worker] : workers_) {
    if (worker.number == number && worker.peer != nullptr) return &worker;
  }
  return nullptr;
}

void WorkerTable::OnLoad(AttentionWorker& worker, const PeerLoad& load) {
  worker.served = true;
  worker.failed_streams = 0;
  worker.load = load;
  worker.promised_blocks = 0;
}

std::vector<SequenceNumber> WorkerTable::Lose(PeerNumber number, absl::Time now) {
  AttentionWorker* worker = Find(number);
  if (worker == nullptr) return {};
  std::vector<SequenceNumber> lost(worker->sequences.begin(), worker->sequences.end());
  worker->sequences.clear();
  worker->peer = nullptr;
  worker->served = false;
  worker->connect_at = now + PauseAfter(++worker->failed_streams);
  prefixes_.Forget(number);
  DropUnused();
  return lost;
}

void WorkerTable::DropUnused() {
  for (auto found = workers_.begin(); found != workers_.end();) {
    const AttentionWorker& worker = found->second;
    if (worker.listed || !worker.sequences.empty()) {
      ++found;
    } else {
      prefixes_.Forget(worker.number);
      found = workers_.erase(found);
    }
  }
}

WorkerTable::Found WorkerTable::Choose(const SequenceNeeds& needs, PeerNumber avoid) {
  std::vector<AttentionWorker*> ready;
  std::vector<WorkerState> states;
  for (auto& [id, worker] : workers_) {
    if (!worker.ready()) continue;
    ready.push_back(&worker);
    states.push_back({.number = worker.number,
                      .cache_blocks = worker.info.cache_blocks,
                      .block_tokens = worker.info.block_tokens,
                      .max_sequences = worker.info.max_sequences,
                      .sequences = static_cast<std::int64_t>(worker.sequences.size()),
                      .load = worker.load,
                      .promised_blocks = worker.promised_blocks,
                      .last_choice = worker.last_choice,
                      .avoid = worker.number == avoid});
  }
  const Choice choice = ChooseWorker(needs, states, prefixes_);
  Found found{.too_long_for = choice.too_long_for};
  if (choice.worker.has_value()) found.worker = ready[*choice.worker];
  return found;
}

void WorkerTable::Add(AttentionWorker& worker, SequenceNumber sequence,
                      const SequenceNeeds& needs) {
  const std::int64_t block_tokens = worker.info.block_tokens;
  const auto prompt_tokens = static_cast<std::int64_t>(needs.prompt_ids.size());
  worker.sequences.insert(sequence);
  worker.promised_blocks += BlocksFor(prompt_tokens + needs.max_tokens, block_tokens);
  worker.last_choice = ++choices_;
  prefixes_.Insert(BlockHashes(needs.prompt_ids, block_tokens), worker.number);
}

std::int64_t WorkerTable::ready_count() const {
  return std::count_if(workers_.begin(), workers_.end(),
                       [](const auto& entry) { return entry.second.ready(); });
}

}  // namespace sextant::router
