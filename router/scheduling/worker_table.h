// The attention workers that the router is connected to, or is about to be.
//
// A worker that the directory lists gets a stream; one whose stream breaks gets a new one, at once
// and then after growing pauses, for as long as it is listed. One that is listed no more keeps its
// stream while it has sequences.
//
// Threads:   one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "router/coordinator/attention_directory.h"
#include "router/scheduling/attention_peer.h"
#include "router/scheduling/prefix_index.h"
#include "router/scheduling/worker_choice.h"

namespace sextant::router {

struct AttentionWorker {
  AttentionWorkerInfo info;
  PeerNumber number = 0;                // of the stream it has or had last
  std::unique_ptr<AttentionPeer> peer;  // null: the next stream comes at connect_at
  bool listed = true;
  absl::Time unlisted_at;
  bool served = false;  // the stream has been answered
  PeerLoad load;
  std::int64_t promised_blocks = 0;  // of sequences that were started since `load`
  std::uint64_t last_choice = 0;
  std::set<SequenceNumber> sequences;
  int failed_streams = 0;  // since one was served
  absl::Time connect_at;

  [[nodiscard]] bool ready() const { return listed && served; }
};

class WorkerTable {
 public:
  // `peers` outlives the table.
  explicit WorkerTable(AttentionPeers& peers);

  // What the directory says now. Workers that cannot hold a sequence are left out.
  void SetListed(const std::vector<AttentionWorkerInfo>& listed, absl::Time now);
  // Opens the streams whose time has come.
  void Connect(absl::Time now);
  [[nodiscard]] absl::Time NextConnect() const;

  // The worker of a stream that is there; null for one that is gone.
  [[nodiscard]] AttentionWorker* Find(PeerNumber number);
  void OnLoad(AttentionWorker& worker, const PeerLoad& load);
  // The stream is gone: returns the sequences that were on it, in the order of their numbers.
  [[nodiscard]] std::vector<SequenceNumber> Lose(PeerNumber number, absl::Time now);
  // Drops the workers that are neither listed nor have a sequence.
  void DropUnused();

  // A ready worker that can take the sequence; `avoid` is taken only if there is no other.
  struct Found {
    AttentionWorker* worker = nullptr;
    std::optional<std::int64_t> too_long_for = {};  // as in Choice
  };
  [[nodiscard]] Found Choose(const SequenceNeeds& needs, PeerNumber avoid);
  // The sequence has been started there.
  void Add(AttentionWorker& worker, SequenceNumber sequence, const SequenceNeeds& needs);

  [[nodiscard]] std::int64_t ready_count() const;
  // By worker id.
  [[nodiscard]] std::map<std::string, AttentionWorker>& workers() { return workers_; }
  [[nodiscard]] const std::map<std::string, AttentionWorker>& workers() const { return workers_; }

 private:
  AttentionPeers& peers_;
  std::map<std::string, AttentionWorker> workers_;
  PrefixIndex prefixes_;
  PeerNumber last_number_ = 0;
  std::uint64_t choices_ = 0;
};

}  // namespace sextant::router
