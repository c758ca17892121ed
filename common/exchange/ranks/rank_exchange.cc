#include "common/exchange/ranks/rank_exchange.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"
#include "common/device/arena_carver.h"

namespace sextant {
namespace {

// That have ended and are not confirmed; the engine looks one step ahead.
constexpr std::size_t kMostSteps = 4;

}  // namespace

absl::StatusOr<std::unique_ptr<RankExchange>> RankExchange::Create(Parts parts) {
  CHECK(parts.sender != nullptr || parts.host != nullptr);
  const auto most_ranks = static_cast<std::int64_t>(parts.most_ranks);
  std::unique_ptr<RankExchange> exchange(new RankExchange(std::move(parts)));
  GpuDriver& gpu = exchange->parts_.gpu;
  ASSIGN_OR_RETURN(exchange->received_on_device_,
                   GpuMemory::Allocate(gpu, GpuMemory::Place::kDevice,
                                       most_ranks * static_cast<std::int64_t>(sizeof(RankCounts)),
                                       "the numbers of rows"));
  const auto carve = [most_ranks](ArenaCarver& carver) {
    return HostMemory{.sent = carver.Take<RankCounts>(most_ranks),
                      .received = carver.Take<RankCounts>(most_ranks),
                      .overflow = carver.Take<std::int32_t>(kMostSteps)};
  };
  ArenaCarver counting(nullptr);
  carve(counting);
  ASSIGN_OR_RETURN(exchange->pinned_, GpuMemory::Allocate(gpu, GpuMemory::Place::kPinnedHost,
                                                          counting.bytes(), "the numbers of rows"));
  ArenaCarver carver(exchange->pinned_.data());
  exchange->host_memory_ = carve(carver);
  return exchange;
}

RankExchange::~RankExchange() {
  // What is on the stream still names the memory. A fault has been told by then, or does no harm.
  static_cast<void>(parts_.stream.Synchronize());
}

absl::Status RankExchange::Check() const {
  RETURN_IF_ERROR(failure_);
  // Void steps are left by all.
  if (!in_step_ || !epoch_.has_value() || !CheckHealth().ok()) return absl::OkStatus();
  return absl::InternalError("left a step in which the other ranks wait for this one");
}

absl::Status RankExchange::GiveUpStep() {
  failure_ = Check();
  if (std::exchange(in_step_, false)) gate_.End(StepEnd::kVoid);
  return failure_;
}

absl::Status RankExchange::Note(const absl::Status& status) {
  if (!absl::IsUnavailable(status) && !absl::IsCancelled(status)) failure_.Update(status);
  return status;
}

absl::StatusOr<Served> RankExchange::Serve() {
  RETURN_IF_ERROR(GiveUpStep());
  absl::StatusOr<Served> served = gate_.Serve();
  RETURN_IF_ERROR(Note(served.status()));
  return served;
}

absl::StatusOr<DeviceStepForm> RankExchange::Begin(const DeviceStep& step) {
  RETURN_IF_ERROR(GiveUpStep());
  const absl::StatusOr<RankStep> begun = gate_.Begin(step.rows, wants_exact_ || !step.may_be_graph);
  RETURN_IF_ERROR(Note(begun.status()));
  step_ = *begun;
  in_step_ = true;
  RETURN_IF_ERROR(entered_);
  // Nothing more is launched in an epoch that is over (decision 0009).
  RETURN_IF_ERROR(CheckHealth());
  wants_exact_ = false;
  next_layer_ = 0;
  if (exact()) return DeviceStepForm{.captured = false};
  CHECK(step.may_be_graph);
  CHECK_LE(step.rows, step_.slot_rows);
  return DeviceStepForm{.graph_rows = step_.slot_rows};
}

absl::StatusOr<StepEnd> RankExchange::TakeWithoutRows(const RankStep& step) {
  step_ = step;
  next_layer_ = 0;
  const absl::Status status = entered_.ok() ? RunWithoutRows() : entered_;
  if (absl::IsUnavailable(status)) return StepEnd::kVoid;
  RETURN_IF_ERROR(status);
  return StepEnd::kDone;
}

absl::Status RankExchange::RunWithoutRows() {
  RETURN_IF_ERROR(CheckHealth());
  if (exact()) {
    RETURN_IF_ERROR(SkipTo(parts_.moe_layers.size()));
  } else {
    RETURN_IF_ERROR(LaunchWithoutRows());
  }
  RETURN_IF_ERROR(parts_.stream.Synchronize());
  return CheckHealth();
}

absl::Status RankExchange::LaunchWithoutRows() {
  constexpr absl::string_view kWhat = "a step without rows";
  auto found = graphs_.find(step_.slot_rows);
  if (found == graphs_.end()) {
    ASSIGN_OR_RETURN(GpuGraph graph, CaptureGraph(parts_.stream, kWhat, [this] {
                       return SkipTo(parts_.moe_layers.size());
                     }));
    found = graphs_.emplace(step_.slot_rows, std::move(graph)).first;
    RETURN_IF_ERROR(CheckHealth());  // that took a while
  }
  return ToStatus(parts_.gpu.Launch(parts_.stream.handle(), found->second.handle()), kWhat);
}

absl::Status RankExchange::SkipTo(std::size_t moe_layer) {
  const DeviceStream stream = parts_.stream.handle();
  while (next_layer_ < moe_layer) {
    RETURN_IF_ERROR(Dispatch(stream, {.layer = parts_.moe_layers[next_layer_]}));
    RETURN_IF_ERROR(Collect(stream).status());
  }
  return absl::OkStatus();
}

absl::Status RankExchange::Dispatch(DeviceStream stream, const DeviceDispatch& dispatch) {
  const auto layer =
      std::lower_bound(parts_.moe_layers.begin(), parts_.moe_layers.end(), dispatch.layer);
  CHECK(layer != parts_.moe_layers.end() && *layer == dispatch.layer);
  CHECK_EQ(static_cast<std::size_t>(layer - parts_.moe_layers.begin()), next_layer_);
  const RankMembership& epoch = *epoch_;
  if (sender_ != nullptr) {
    RETURN_IF_ERROR(sender_->Pack(stream, dispatch, step_));
  }
  if (exact()) {
    RETURN_IF_ERROR(TellCounts(stream));
  } else if (host_ != nullptr) {
    RETURN_IF_ERROR(host_->ExpectSlots(step_));
  }
  if (sender_ != nullptr) {
    for (std::size_t d = 0; d < epoch.layout.expert_ranks().size(); ++d) {
      sender_->AddSends(static_cast<int>(d), epoch.layout.expert_ranks()[d], SentTo(d).rows,
                        sends_);
    }
  }
  if (host_ != nullptr) {
    std::int64_t first = 0;
    for (std::size_t a = 0; a < epoch.layout.attention_ranks().size(); ++a) {
      const std::int64_t rows = ReceivedFrom(a).rows;
      host_->AddReceives(epoch.layout.attention_ranks()[a], first, rows, receives_);
      first += rows;
    }
  }
  RETURN_IF_ERROR(Exchange(stream, "rows to their experts"));
  return host_ != nullptr ? host_->Compute(stream, dispatch.layer) : absl::OkStatus();
}

absl::StatusOr<DeviceExpertOutputs> RankExchange::Collect(DeviceStream stream) {
  const RankMembership& epoch = *epoch_;
  if (host_ != nullptr) {
    std::int64_t first = 0;
    for (std::size_t a = 0; a < epoch.layout.attention_ranks().size(); ++a) {
      const std::int64_t pairs = ReceivedFrom(a).pairs;
      host_->AddSends(epoch.layout.attention_ranks()[a], first, pairs, sends_);
      first += pairs;
    }
  }
  if (sender_ != nullptr) {
    std::int64_t first = 0;
    for (std::size_t d = 0; d < epoch.layout.expert_ranks().size(); ++d) {
      const std::int64_t pairs = SentTo(d).pairs;
      sender_->AddReceives(epoch.layout.expert_ranks()[d], first, pairs, receives_);
      first += pairs;
    }
  }
  RETURN_IF_ERROR(Exchange(stream, "outputs of experts"));
  ++next_layer_;
  return sender_ != nullptr ? sender_->outputs() : DeviceExpertOutputs();
}

absl::Status RankExchange::End(DeviceStream stream) {
  if (exact()) {
    // In the last layer a step may have no rows left.
    RETURN_IF_ERROR(SkipTo(parts_.moe_layers.size()));
    RETURN_IF_ERROR(parts_.stream.Synchronize());
    RETURN_IF_ERROR(CheckHealth());
    in_step_ = false;
    gate_.End(StepEnd::kDone);
    return absl::OkStatus();
  }
  CHECK_LT(ended_.size(), kMostSteps);
  constexpr std::int64_t kBytes = sizeof(std::int32_t);
  std::int32_t* const on_device = sender_->overflow();
  std::int32_t* const on_host = host_memory_.overflow + next_overflow_;
  RETURN_IF_ERROR(
      ToStatus(parts_.gpu.CopyOut(stream, on_host, on_device, kBytes), "whether all rows fit"));
  RETURN_IF_ERROR(
      ToStatus(parts_.gpu.FillZeros(stream, on_device, kBytes), "whether all rows fit"));
  ended_.push_back(
      {.epoch = epoch_->epoch, .communicator = epoch_->communicator, .overflow = next_overflow_});
  next_overflow_ = (next_overflow_ + 1) % kMostSteps;
  // What it computes may still be good for nothing (Confirm); the next step need not wait for that.
  in_step_ = false;
  gate_.End(StepEnd::kDone);
  return absl::OkStatus();
}

absl::Status RankExchange::Confirm() {
  if (ended_.empty()) return absl::OkStatus();
  const Ended step = std::move(ended_.front());
  ended_.pop_front();
  RETURN_IF_ERROR(step.communicator != nullptr ? epochs_.CheckHealth(step.epoch, *step.communicator)
                                               : step.health);
  if (host_memory_.overflow[step.overflow] == 0) return absl::OkStatus();
  wants_exact_ = true;
  return absl::AbortedError(
      "more rows for the experts of one rank than a step of this size sends; taken again by their "
      "exact number");
}

absl::Status RankExchange::TellCounts(DeviceStream stream) {
  const RankMembership& epoch = *epoch_;
  constexpr std::int64_t kBytes = sizeof(RankCounts);
  auto* const received = reinterpret_cast<RankCounts*>(received_on_device_.data());
  const auto destinations = static_cast<std::int64_t>(epoch.layout.expert_ranks().size());
  const auto sources = static_cast<std::int64_t>(epoch.layout.attention_ranks().size());
  if (sender_ != nullptr) {
    std::int32_t* counts = sender_->counts();
    for (const int peer : epoch.layout.expert_ranks()) {
      sends_.push_back({.peer = peer, .data = counts, .bytes = kBytes});
      counts += 2;
    }
  }
  if (host_ != nullptr) {
    RankCounts* to = received;
    for (const int peer : epoch.layout.attention_ranks()) {
      receives_.push_back({.peer = peer, .data = to++, .bytes = kBytes});
    }
  }
  RETURN_IF_ERROR(Exchange(stream, "numbers of rows"));
  if (sender_ != nullptr) {
    RETURN_IF_ERROR(ToStatus(
        parts_.gpu.CopyOut(stream, host_memory_.sent, sender_->counts(), destinations * kBytes),
        "numbers of rows"));
  }
  if (host_ != nullptr) {
    RETURN_IF_ERROR(
        ToStatus(parts_.gpu.CopyOut(stream, host_memory_.received, received, sources * kBytes),
                 "numbers of rows"));
  }
  RETURN_IF_ERROR(parts_.stream.Synchronize());
  RETURN_IF_ERROR(CheckHealth());
  if (host_ == nullptr) return absl::OkStatus();
  return host_->ExpectExactly(
      stream, absl::MakeConstSpan(host_memory_.received, static_cast<std::size_t>(sources)));
}

absl::Status RankExchange::Exchange(DeviceStream stream, absl::string_view what) {
  const absl::Status health = CheckHealth();
  DeviceStatus status;
  if (health.ok()) status = epoch_->communicator->Exchange(stream, sends_, receives_);
  sends_.clear();
  receives_.clear();
  RETURN_IF_ERROR(health);
  if (status.ok()) return absl::OkStatus();
  RETURN_IF_ERROR(CheckHealth());
  return ToStatus(status, what);
}

absl::Status RankExchange::CheckHealth() const {
  return epochs_.CheckHealth(epoch_->epoch, *epoch_->communicator);
}

RankCounts RankExchange::SentTo(std::size_t destination) const {
  if (exact()) return host_memory_.sent[destination];
  return {.rows = static_cast<std::int32_t>(step_.slot_rows),
          .pairs = static_cast<std::int32_t>(step_.slot_pairs)};
}

RankCounts RankExchange::ReceivedFrom(std::size_t source) const {
  if (exact()) return host_memory_.received[source];
  return {.rows = static_cast<std::int32_t>(step_.slot_rows),
          .pairs = static_cast<std::int32_t>(step_.slot_pairs)};
}

}  // namespace sextant
