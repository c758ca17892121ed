#include "common/exchange/grpc_exchange.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/check.h"
#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/exchange/byte_buffer.h"
#include "common/exchange/dispatch_ledger.h"
#include "common/exchange/frame.h"
#include "common/exchange/holder_set.h"
#include "common/exchange/wire_values.h"
#include "common/rpc/status.h"

namespace sextant {
namespace {

using TimePoint = std::chrono::steady_clock::time_point;

// How long a worker whose stream broke, or that refused, is left alone.
constexpr std::chrono::milliseconds kRetryPause(50);

// Whether another worker, or the same one later, may answer what this one would not.
bool IsPassing(absl::StatusCode code) {
  return code == absl::StatusCode::kFailedPrecondition || code == absl::StatusCode::kUnavailable ||
         code == absl::StatusCode::kResourceExhausted || code == absl::StatusCode::kAborted ||
         code == absl::StatusCode::kCancelled;
}

struct Counters {
  std::atomic<std::int64_t> dispatches = 0;
  std::atomic<std::int64_t> frames_sent = 0;
  std::atomic<std::int64_t> bytes_sent = 0;
  std::atomic<std::int64_t> bytes_received = 0;
  std::atomic<std::int64_t> rows_resent = 0;
  std::atomic<std::int64_t> stale_answers = 0;
  std::atomic<std::int64_t> streams_broken = 0;
};

}  // namespace

class GrpcExchange::Impl {
 public:
  explicit Impl(Options options)
      : options_(std::move(options)),
        type_(StorageType(options_.precision)),
        holders_({.num_experts = options_.num_experts,
                  .own_host_id = options_.own_host_id,
                  .connect_timeout = options_.connect_timeout},
                 box_) {
    CHECK_GE(options_.num_experts, 1);
    CHECK_LE(options_.num_experts, 65536);
    CHECK_GE(options_.hidden, 1);
    CHECK_GE(MaxFramePairs(options_.hidden, type_), 1);
  }

  absl::Status Prepare(const v1::Placement& placement) { return holders_.Prepare(placement); }
  void Supersede(std::uint64_t epoch) { holders_.Supersede(epoch); }

  void Commit(std::uint64_t epoch) {
    bool switched = false;
    {
      const MutexLock lock(sending_);  // rows on their way out go first
      switched = holders_.Commit(epoch);
    }
    if (switched) box_.Wake();
  }

  std::uint64_t epoch() const { return holders_.committed()->epoch; }

  void Stop() {
    stopped_.store(true);
    box_.Wake();
  }

  ExchangeCounts counts() const {
    return {.dispatches = counters_.dispatches.load(),
            .frames_sent = counters_.frames_sent.load(),
            .bytes_sent = counters_.bytes_sent.load(),
            .bytes_received = counters_.bytes_received.load(),
            .rows_resent = counters_.rows_resent.load(),
            .stale_answers = counters_.stale_answers.load(),
            .streams_broken = counters_.streams_broken.load()};
  }

  absl::Status Dispatch(const ExpertDispatch& dispatch);
  absl::StatusOr<ExpertOutputs> Collect();

 private:
  using Event = ExchangeBox::Event;

  absl::Status Check(const ExpertDispatch& dispatch) const;
  void UseCommittedTable();
  void SendUnsent();
  bool Send(const Shipment& shipment);
  FrameBytes Pack(const Shipment& shipment) const;

  absl::Status AwaitAnswers();
  absl::Status Take(const Event& event);
  absl::Status TakeAnswer(const Event& event);
  absl::Status Land(OutputFrame& frame, const Shipment& shipment);
  void Lose(HolderId holder);   // its stream has broken, and was dropped
  void Pause(HolderId holder);  // asks it for nothing until kRetryPause is over
  [[nodiscard]] TimePoint NextRetry() const;
  [[nodiscard]] absl::Status NobodyServes() const;

  const Options options_;
  const DType type_;
  Counters counters_;
  std::atomic<bool> stopped_ = false;
  ExchangeBox box_;  // outlives the streams of holders_
  HolderSet holders_;
  Mutex sending_;  // from the look at the newest placement until its rows are sent; Commit

  // The engine thread's.
  DispatchLedger ledger_;
  std::shared_ptr<const HolderTable> table_ = std::make_shared<HolderTable>();
  std::map<HolderId, TimePoint> paused_until_;
  // When Collect gives up if rows are then without a worker. Set when that first happens; every
  // answer and every new epoch sets it back, so that refusals in a circle come to an end.
  TimePoint give_up_ = TimePoint::max();
  ExpertDispatch dispatch_;
  std::vector<float> outputs_;        // [T * K, H], grows to the largest step
  std::vector<std::int32_t> row_of_;  // 0, 1, ...
  std::int64_t num_outputs_ = 0;
  bool in_flight_ = false;
};

absl::Status GrpcExchange::Impl::Check(const ExpertDispatch& dispatch) const {
  const MatrixView<const std::int32_t>& ids = dispatch.expert_ids;
  if (ids.rows != dispatch.rows.rows) {
    return absl::InvalidArgumentError(
        absl::StrCat("dispatch of ", dispatch.rows.rows, " rows with the choices of ", ids.rows));
  }
  if (dispatch.rows.cols != options_.hidden) {
    return absl::InvalidArgumentError(absl::StrCat("dispatch of rows of ", dispatch.rows.cols,
                                                   " values; the exchange was made for ",
                                                   options_.hidden));
  }
  for (std::int64_t t = 0; t < ids.rows; ++t) {
    for (std::int64_t k = 0; k < ids.cols; ++k) {
      const std::int32_t expert = ids.Row(t)[k];
      if (expert < 0 || expert >= options_.num_experts) {
        return absl::InvalidArgumentError(
            absl::StrCat("expert ", expert, " is outside [0, ", options_.num_experts, ")"));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status GrpcExchange::Impl::Dispatch(const ExpertDispatch& dispatch) {
  CHECK(!in_flight_);
  RETURN_IF_ERROR(Check(dispatch));
  counters_.dispatches.fetch_add(1, std::memory_order_relaxed);
  dispatch_ = dispatch;
  num_outputs_ = dispatch.expert_ids.rows * dispatch.expert_ids.cols;
  outputs_.resize(
      std::max(outputs_.size(), static_cast<std::size_t>(num_outputs_ * options_.hidden)));
  if (row_of_.size() < static_cast<std::size_t>(num_outputs_)) {
    row_of_.resize(static_cast<std::size_t>(num_outputs_));
    std::iota(row_of_.begin(), row_of_.end(), 0);
  }
  ledger_.Begin(dispatch.expert_ids, {.max_pairs = MaxFramePairs(options_.hidden, type_)});
  in_flight_ = true;
  SendUnsent();
  return absl::OkStatus();
}

absl::StatusOr<ExpertOutputs> GrpcExchange::Impl::Collect() {
  CHECK(in_flight_);
  in_flight_ = false;
  absl::Status status = AwaitAnswers();
  if (!status.ok()) {
    ledger_.Clear();
    return status;
  }
  const absl::Span<const std::int32_t> row_of = row_of_;
  return ExpertOutputs{.rows = {outputs_.data(), num_outputs_, options_.hidden},
                       .row_of = row_of.first(static_cast<std::size_t>(num_outputs_))};
}

// Rows that are with workers which the newest placement no longer names are taken back.
void GrpcExchange::Impl::UseCommittedTable() {
  std::shared_ptr<const HolderTable> newest = holders_.committed();
  if (newest == table_) return;
  table_ = std::move(newest);
  paused_until_.clear();
  give_up_ = TimePoint::max();
  counters_.rows_resent.fetch_add(ledger_.TakeBackFromOthersThan(*table_));
}

void GrpcExchange::Impl::SendUnsent() {
  const MutexLock lock(sending_);
  UseCommittedTable();
  bool sent = false;
  while (ledger_.has_unsent() && !sent) {
    const TimePoint now = std::chrono::steady_clock::now();
    std::erase_if(paused_until_, [now](const auto& entry) { return entry.second <= now; });
    const auto usable = [this](HolderId holder) { return !paused_until_.contains(holder); };
    const std::vector<const Shipment*> plan = ledger_.Plan(*table_, usable);
    sent = true;
    std::vector<HolderId> lost;
    for (const Shipment* shipment : plan) {
      if (!Send(*shipment)) lost.push_back(shipment->holder);
    }
    for (const HolderId holder : lost) {
      Lose(holder);
      sent = false;
    }
  }
}

bool GrpcExchange::Impl::Send(const Shipment& shipment) {
  const std::shared_ptr<HolderStream> stream = holders_.StreamTo(shipment.holder);
  if (stream == nullptr) return false;
  FrameBytes frame = Pack(shipment);
  const auto size = static_cast<std::int64_t>(frame.size);
  if (!stream->Send(ToByteBuffer(std::move(frame)))) {
    holders_.Drop(shipment.holder, stream->stream());
    return false;
  }
  counters_.frames_sent.fetch_add(1, std::memory_order_relaxed);
  counters_.bytes_sent.fetch_add(size, std::memory_order_relaxed);
  return true;
}

FrameBytes GrpcExchange::Impl::Pack(const Shipment& shipment) const {
  FrameBytes frame =
      StartDispatchFrame({.dispatch = shipment.number,
                          .epoch = shipment.epoch,
                          .layer = dispatch_.layer,
                          .num_rows = static_cast<std::int32_t>(shipment.tokens.size()),
                          .hidden = static_cast<std::int32_t>(options_.hidden),
                          .type = type_,
                          .pairs = shipment.pairs});
  std::uint8_t* to = frame.rows;
  for (const std::int32_t token : shipment.tokens) {
    PackValues(dispatch_.rows.Row(token), options_.hidden, type_, to);
    to += options_.hidden * BytesOf(type_);
  }
  return frame;
}

absl::Status GrpcExchange::Impl::AwaitAnswers() {
  give_up_ = TimePoint::max();
  while (!ledger_.done()) {
    if (stopped_.load(std::memory_order_relaxed)) {
      return absl::CancelledError("the exchange has been stopped");
    }
    UseCommittedTable();
    SendUnsent();
    TimePoint wake = TimePoint::max();
    if (ledger_.has_unsent()) {
      const TimePoint now = std::chrono::steady_clock::now();
      if (give_up_ == TimePoint::max()) {
        give_up_ = now + absl::ToChronoNanoseconds(options_.dispatch_patience);
      }
      if (now >= give_up_) return NobodyServes();
      wake = std::min(give_up_, NextRetry());
    }
    for (const Event& event : box_.Wait(wake)) RETURN_IF_ERROR(Take(event));
  }
  return absl::OkStatus();
}

absl::Status GrpcExchange::Impl::Take(const Event& event) {
  if (event.answer.has_value()) return TakeAnswer(event);
  counters_.streams_broken.fetch_add(1, std::memory_order_relaxed);
  // What went by a stream that has been dropped already was taken back then.
  if (holders_.Drop(event.holder, event.stream)) Lose(event.holder);
  return absl::OkStatus();
}

absl::Status GrpcExchange::Impl::TakeAnswer(const Event& event) {
  const HolderId holder = event.holder;
  const ReceivedBytes received(*event.answer);
  counters_.bytes_received.fetch_add(static_cast<std::int64_t>(received.chunks().size()),
                                     std::memory_order_relaxed);
  OutputFrame frame;
  if (!ParseOutputFrame(received.chunks(), frame).ok()) {
    // No telling what it was meant to answer: as good as a broken stream.
    if (holders_.Drop(holder, event.stream)) Lose(holder);
    return absl::OkStatus();
  }
  const Shipment* shipment = ledger_.Find(frame.header.dispatch);
  if (shipment == nullptr || shipment->holder != holder) {
    counters_.stale_answers.fetch_add(1, std::memory_order_relaxed);
    return absl::OkStatus();
  }
  if (frame.header.code == 0) return Land(frame, *shipment);

  const absl::Status refusal =
      FromGrpc({static_cast<grpc::StatusCode>(frame.header.code), frame.header.message});
  if (!IsPassing(refusal.code())) {
    return AddContext(refusal, absl::StrCat("expert worker ", holders_.NameOf(holder)));
  }
  counters_.rows_resent.fetch_add(ledger_.TakeBack(frame.header.dispatch));
  // By an older placement than the newest a refusal is no wonder; by this one it may pass.
  if (holders_.committed() == table_) Pause(holder);
  return absl::OkStatus();
}

absl::Status GrpcExchange::Impl::Land(OutputFrame& frame, const Shipment& shipment) {
  const std::size_t expected =
      shipment.slots.size() * static_cast<std::size_t>(options_.hidden * BytesOf(type_));
  if (frame.rows_bytes != expected || frame.header.type != type_) {
    return absl::InternalError(absl::StrCat(
        "expert worker ", holders_.NameOf(shipment.holder), " answered ", frame.rows_bytes,
        " bytes of ", Name(frame.header.type), "; ", expected, " of ", Name(type_), " were asked"));
  }
  for (const std::int32_t slot : shipment.slots) {
    frame.rows.ReadValues(options_.hidden, type_, outputs_.data() + slot * options_.hidden);
  }
  ledger_.Settle(shipment.number);
  give_up_ = TimePoint::max();
  return absl::OkStatus();
}

void GrpcExchange::Impl::Lose(HolderId holder) {
  counters_.rows_resent.fetch_add(ledger_.TakeBackFrom(holder));
  Pause(holder);
}

void GrpcExchange::Impl::Pause(HolderId holder) {
  paused_until_[holder] = std::chrono::steady_clock::now() + kRetryPause;
}

TimePoint GrpcExchange::Impl::NextRetry() const {
  TimePoint next = TimePoint::max();
  for (const auto& [holder, until] : paused_until_) next = std::min(next, until);
  return next;
}

absl::Status GrpcExchange::Impl::NobodyServes() const {
  return absl::UnavailableError(absl::StrCat(
      "no live worker serves the experts ", absl::StrJoin(ledger_.UnsentExperts(), ", "),
      " of epoch ", table_->epoch, "; waited ", absl::FormatDuration(options_.dispatch_patience)));
}

GrpcExchange::GrpcExchange(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
GrpcExchange::~GrpcExchange() = default;

absl::Status GrpcExchange::Prepare(const v1::Placement& placement) {
  return impl_->Prepare(placement);
}
void GrpcExchange::Supersede(std::uint64_t epoch) { impl_->Supersede(epoch); }
void GrpcExchange::Commit(std::uint64_t epoch) { impl_->Commit(epoch); }
std::uint64_t GrpcExchange::epoch() const { return impl_->epoch(); }
void GrpcExchange::Stop() { impl_->Stop(); }
ExchangeCounts GrpcExchange::counts() const { return impl_->counts(); }
absl::Status GrpcExchange::Dispatch(const ExpertDispatch& dispatch) {
  return impl_->Dispatch(dispatch);
}
absl::StatusOr<ExpertOutputs> GrpcExchange::Collect() { return impl_->Collect(); }

}  // namespace sextant
