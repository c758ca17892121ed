// The expert workers that the prepared and committed placements name, and the stream to each.
//
// Threads:   every method may be called from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/mutex.h"
#include "common/exchange/dispatch_ledger.h"
#include "common/exchange/holder_stream.h"
#include "common/rpc/channel_link.h"
#include "proto/sextant/v1/placement.pb.h"

namespace sextant {

class HolderSet {
 public:
  struct Options {
    std::int32_t num_experts = 0;
    std::string own_host_id;
    absl::Duration connect_timeout;
  };

  HolderSet(Options options, ExchangeBox& box) : options_(std::move(options)), box_(box) {}
  // Cancels every stream and waits for the ends.
  ~HolderSet();

  // As GrpcExchange::Prepare.
  [[nodiscard]] absl::Status Prepare(const v1::Placement& placement);

  // As GrpcExchange::Supersede.
  void Supersede(std::uint64_t epoch);

  // Makes a prepared epoch the committed one; false when it was not prepared or is not newer.
  // Streams to workers that no newest placement names are cancelled.
  bool Commit(std::uint64_t epoch);

  // The committed table; of epoch 0 and without holders before the first Commit.
  [[nodiscard]] std::shared_ptr<const HolderTable> committed() const;

  // The stream to `holder`, opened if there is none; null when no placement names it any more. A
  // stream that has broken is still the one until it is dropped.
  [[nodiscard]] std::shared_ptr<HolderStream> StreamTo(HolderId holder);

  // Cancels the stream to `holder` if it still is number `stream`, and says whether it was.
  bool Drop(HolderId holder, std::uint64_t stream);

  // For messages: the worker's id, or "a worker that has gone".
  [[nodiscard]] std::string NameOf(HolderId holder) const;

 private:
  struct Holder {
    std::string worker_id;
    std::string target;
    std::unique_ptr<ChannelLink> link;
    std::shared_ptr<HolderStream> stream;  // null after Drop
  };

  HolderId IdOf(const v1::PlacedWorker& worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Open(HolderId id, Holder& holder) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetUnnamed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget(Holder& holder) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WaitForAll(const HolderTable& table) const;

  const Options options_;
  ExchangeBox& box_;
  std::atomic<std::uint64_t> newest_asked_ = 0;  // nobody waits for older epochs

  mutable Mutex mutex_;
  std::map<HolderId, Holder> holders_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<ChannelLink>> old_links_ ABSL_GUARDED_BY(mutex_);  // of holders gone
  HolderId last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t last_stream_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, std::shared_ptr<const HolderTable>> prepared_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const HolderTable> committed_ ABSL_GUARDED_BY(mutex_) =
      std::make_shared<HolderTable>();
};

}  // namespace sextant
