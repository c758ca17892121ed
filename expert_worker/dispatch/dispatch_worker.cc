#include "expert_worker/dispatch/dispatch_worker.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/device/processor_use.h"

namespace sextant {

DispatchWorker::DispatchWorker(const Options& options, ServedExperts& experts)
    : options_(options),
      experts_(experts),
      queue_(options.queue_capacity),
      load_(new std::atomic<std::int64_t>[static_cast<std::size_t>(options.num_experts)] {}),
      thread_([this] { Run(); }) {}

DispatchWorker::~DispatchWorker() { Stop(); }

void DispatchWorker::Stop() {
  queue_.Close();
  if (thread_.joinable()) thread_.join();
}

void DispatchWorker::Run() {
  // The attention worker that is served has rows for others to send, and the shared experts to
  // compute; so do the other expert workers of this host with their shares of the layer.
  GiveWay();
  // Merging goes as far as one frame may: the memory of a batch stays that of the largest frame.
  const std::int64_t max_pairs = MaxFramePairs(options_.hidden, options_.type);
  for (;;) {
    std::vector<PendingDispatch> dispatches = queue_.Pop(max_pairs);
    if (dispatches.empty()) return;
    Compute(std::move(dispatches));
  }
}

absl::Status DispatchWorker::Check(const DispatchHeader& header) const {
  if (header.hidden != options_.hidden || header.type != options_.type) {
    return absl::InvalidArgumentError(absl::StrCat("rows of ", header.hidden, " values in ",
                                                   Name(header.type), "; this model's have ",
                                                   options_.hidden, " in ", Name(options_.type)));
  }
  if (!experts_.HasExperts(header.layer)) {
    return absl::InvalidArgumentError(
        absl::StrCat("layer ", header.layer, " of this model has no routed experts"));
  }
  for (const RowExpert& pair : header.pairs) {
    if (pair.expert >= options_.num_experts) {
      return absl::InvalidArgumentError(
          absl::StrCat("expert ", pair.expert, " is outside [0, ", options_.num_experts, ")"));
    }
    if (!experts_.Holds(header.layer, pair.expert)) {
      return absl::FailedPreconditionError(
          absl::StrCat("expert ", pair.expert, " of layer ", header.layer, " is not held here"));
    }
  }
  return absl::OkStatus();
}

void DispatchWorker::Refuse(const PendingDispatch& dispatch, const absl::Status& why) {
  refused_.fetch_add(1, std::memory_order_relaxed);
  dispatch.source->Answer(StartOutputFrame({.dispatch = dispatch.frame.header.dispatch,
                                            .code = static_cast<std::int32_t>(why.code()),
                                            .message = std::string(why.message())},
                                           0));
}

void DispatchWorker::Compute(std::vector<PendingDispatch> dispatches) {
  experts_.Refresh();
  std::vector<DispatchFrame*> frames;
  std::vector<const PendingDispatch*> answered;
  for (PendingDispatch& dispatch : dispatches) {
    if (dispatch.source->gone()) continue;
    const absl::Status status = Check(dispatch.frame.header);
    if (!status.ok()) {
      Refuse(dispatch, status);
      continue;
    }
    frames.push_back(&dispatch.frame);
    answered.push_back(&dispatch);
  }
  if (!frames.empty()) {
    const ExpertBatch& batch = merged_.Build(frames, options_.num_experts);
    const absl::Status status = experts_.Compute(batch);
    for (std::size_t i = 0; i < answered.size(); ++i) {
      if (status.ok()) {
        answered[i]->source->Answer(merged_.Answer(i));
      } else {
        Refuse(*answered[i], absl::InternalError(absl::StrCat("the experts of layer ", batch.layer,
                                                              ": ", status.message())));
      }
    }
    for (const ExpertRowGroup& group : batch.groups) {
      load_[static_cast<std::size_t>(group.expert)].fetch_add(
          static_cast<std::int64_t>(group.rows.size()), std::memory_order_relaxed);
    }
    batches_.fetch_add(1, std::memory_order_relaxed);
    rows_.fetch_add(batch.outputs.rows, std::memory_order_relaxed);
    if (options_.observer != nullptr) options_.observer->OnBatch(batch);
  }
  if (options_.observer != nullptr) {
    const auto now = std::chrono::steady_clock::now();
    for (const PendingDispatch& dispatch : dispatches) {
      options_.observer->OnAnswered(now - dispatch.arrived);
    }
  }
  dispatches_.fetch_add(static_cast<std::int64_t>(dispatches.size()), std::memory_order_relaxed);
}

std::vector<std::int64_t> DispatchWorker::TakeLoad() {
  std::vector<std::int64_t> load(static_cast<std::size_t>(options_.num_experts));
  for (std::size_t e = 0; e < load.size(); ++e) load[e] = load_[e].exchange(0);
  return load;
}

DispatchCounts DispatchWorker::counts() const {
  return {.dispatches = dispatches_.load(),
          .batches = batches_.load(),
          .rows = rows_.load(),
          .refused = refused_.load(),
          .waiting = static_cast<std::int64_t>(queue_.size())};
}

}  // namespace sextant
