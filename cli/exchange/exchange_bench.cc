#include "cli/exchange/exchange_bench.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "attention_worker/device/rank_sender.h"
#include "cli/exchange/arrival_check.h"
#include "cli/exchange/fixed_host.h"
#include "cli/exchange/known_rows.h"
#include "cli/exchange/layer_clock.h"
#include "cli/exchange/layer_patterns.h"
#include "cli/exchange/message_log.h"
#include "cli/exchange/rank_tally.h"
#include "cli/exchange/scheduled_conductor.h"
#include "common/base/check.h"
#include "common/base/status.h"
#include "common/device/arena_carver.h"
#include "common/device/gpu.h"

namespace sextant::cli {
namespace {

constexpr std::uint64_t kEpoch = 1;
constexpr std::int64_t kMessageAlignment = 16;

// The most rows of the cases in this form; 1 without any.
std::int64_t MostRows(const ExchangeBenchOptions& options, RankStepForm form) {
  std::int64_t most = 1;
  for (const ExchangeCase& of : options.cases) {
    if (of.form == form) most = std::max(most, of.rows);
  }
  return most;
}

// Which of `ranks` is `rank`, if any.
std::optional<int> IndexOf(absl::Span<const int> ranks, int rank) {
  const auto found = std::find(ranks.begin(), ranks.end(), rank);
  if (found == ranks.end()) return std::nullopt;
  return static_cast<int>(found - ranks.begin());
}

// Differs, but for an accident, where ranks were asked for different things.
std::int64_t DigestOf(const ExchangeBenchParts& parts, const ExchangeBenchOptions& options) {
  std::string text =
      absl::StrCat(parts.model.hidden_size, " ", parts.model.num_experts_per_tok, " ",
                   parts.layout.num_experts(), " ", parts.layout.attention_ranks().size(), " ",
                   parts.layout.expert_ranks().size(), " ", options.layers, " ", options.rounds,
                   " ", options.warmup, " ", options.seed);
  for (const ExchangeCase& of : options.cases) absl::StrAppend(&text, " ", NameOf(of));
  return static_cast<std::int64_t>(std::hash<std::string>{}(text));
}

std::int64_t BytesOf(const std::vector<RankMessage>& messages) {
  return std::accumulate(
      messages.begin(), messages.end(), std::int64_t{0},
      [](std::int64_t sum, const RankMessage& message) { return sum + message.bytes; });
}

GroupBytes BytesOf(const LoggedGroup& group, int rank) {
  GroupBytes bytes;
  for (const RankMessage& send : group.sends) {
    (send.peer == rank ? bytes.kept : bytes.sent) += send.bytes;
  }
  bytes.received = BytesOf(group.receives) - bytes.kept;
  return bytes;
}

class Runner {
 public:
  Runner(const ExchangeBenchParts& parts, const ExchangeBenchOptions& options, GpuStream stream);

  [[nodiscard]] absl::Status Prepare();
  [[nodiscard]] absl::StatusOr<CaseOfRank> Measure(const ExchangeCase& of);

 private:
  using Pattern = std::unique_ptr<LayerPattern>;

  [[nodiscard]] absl::Status CheckSameWork();
  [[nodiscard]] absl::Status MakeHalves();
  [[nodiscard]] absl::Status LoadRows();
  // The engine's exchange, after a step that was checked. On all ranks the same error, if any.
  [[nodiscard]] absl::StatusOr<Pattern> MakeExchange(const ExchangeCase& of);
  [[nodiscard]] absl::Status CheckArrivals(const ExchangeCase& of, const ExchangePattern* sent);
  [[nodiscard]] Pattern MakeMessages(const ExchangeCase& of, LoggedGroup rows, LoggedGroup outputs);
  // Of as many bytes as all ranks have sent in a group like this, in memory from here on.
  [[nodiscard]] LoggedGroup AllToAll(std::int64_t bytes_of_message, std::byte* memory) const;
  [[nodiscard]] absl::StatusOr<std::int64_t> AllToAllMessage(const LoggedGroup& group);
  [[nodiscard]] absl::Status Time(LayerPattern& pattern, WayTimes& times, bool counts);

  const ExchangeBenchParts& parts_;
  const ExchangeBenchOptions& options_;
  const int rank_;
  const std::optional<int> attention_;    // which of the ranks that attend
  const std::optional<int> destination_;  // which of those that hold experts
  const KnownRows known_;
  GpuStream stream_;
  const std::shared_ptr<MessageLog> log_;
  ScheduledConductor conductor_;
  std::optional<LayerClock> clock_;
  std::unique_ptr<RankTally> tally_;
  GpuMemory memory_;     // rows and the experts that they chose
  DeviceDispatch rows_;  // in it
  std::unique_ptr<RankSender> sender_;
  std::unique_ptr<FixedHost> host_;
  std::unique_ptr<RankExchange> exchange_;
};

Runner::Runner(const ExchangeBenchParts& parts, const ExchangeBenchOptions& options,
               GpuStream stream)
    : parts_(parts),
      options_(options),
      rank_(parts.communicator->rank()),
      attention_(IndexOf(parts.layout.attention_ranks(), rank_)),
      destination_(IndexOf(parts.layout.expert_ranks(), rank_)),
      known_(parts.model, options.seed),
      stream_(std::move(stream)),
      log_(std::make_shared<MessageLog>(parts.communicator)),
      conductor_({.number = kEpoch,
                  .attention_ranks = static_cast<int>(parts.layout.attention_ranks().size()),
                  .expert_ranks = static_cast<int>(parts.layout.expert_ranks().size())},
                 {.chosen = parts.model.num_experts_per_tok,
                  .most_slot_rows = MostRows(options, RankStepForm::kSlots),
                  .most_rows = std::max(MostRows(options, RankStepForm::kSlots),
                                        MostRows(options, RankStepForm::kExact))}) {}

absl::Status Runner::Prepare() {
  ASSIGN_OR_RETURN(tally_, RankTally::Create(stream_, *parts_.communicator));
  RETURN_IF_ERROR(CheckSameWork());
  ASSIGN_OR_RETURN(LayerClock clock, LayerClock::Create(stream_, options_.layers));
  clock_.emplace(std::move(clock));
  RETURN_IF_ERROR(MakeHalves());
  if (attention_.has_value()) RETURN_IF_ERROR(LoadRows());
  std::vector<int> layers(static_cast<std::size_t>(clock_->layers()));
  std::iota(layers.begin(), layers.end(), 0);
  ASSIGN_OR_RETURN(exchange_, RankExchange::Create({.gpu = parts_.gpu,
                                                    .stream = stream_,
                                                    .sender = sender_.get(),
                                                    .host = host_.get(),
                                                    .link = conductor_,
                                                    .moe_layers = std::move(layers),
                                                    .most_ranks = parts_.layout.size()}));
  conductor_.Attach(exchange_->gate());
  return exchange_->Prepare({.epoch = kEpoch, .communicator = log_, .layout = parts_.layout});
}

absl::Status Runner::CheckSameWork() {
  const std::int64_t mine = DigestOf(parts_, options_);
  ASSIGN_OR_RETURN(const std::vector<std::int64_t> all, tally_->Gather(mine));
  const bool same = std::all_of(all.begin(), all.end(),
                                [&](std::int64_t digest) { return digest == all.front(); });
  if (same) return absl::OkStatus();
  return absl::InvalidArgumentError("the ranks were asked to measure different things");
}

absl::Status Runner::MakeHalves() {
  const std::int64_t slot_rows = MostRows(options_, RankStepForm::kSlots);
  const std::int64_t exact_rows = MostRows(options_, RankStepForm::kExact);
  const auto senders = static_cast<int>(parts_.layout.attention_ranks().size());
  const auto holders = static_cast<int>(parts_.layout.expert_ranks().size());
  if (attention_.has_value()) {
    ASSIGN_OR_RETURN(
        sender_,
        RankSender::Create(stream_, parts_.kernels, parts_.model,
                           {.rows = exact_rows, .slot_rows = slot_rows, .destinations = holders}));
  }
  if (destination_.has_value()) {
    const std::vector<Bf16> outputs = known_.Outputs(parts_.layout.role(rank_).experts);
    ASSIGN_OR_RETURN(host_, FixedHost::Create(stream_, parts_.kernels, parts_.model, outputs,
                                              ReceivedRows::SizesFor(parts_.model, senders,
                                                                     exact_rows, slot_rows)));
  }
  return absl::OkStatus();
}

absl::Status Runner::LoadRows() {
  const std::int64_t count =
      std::max(MostRows(options_, RankStepForm::kSlots), MostRows(options_, RankStepForm::kExact));
  const std::vector<Bf16> rows = known_.Rows(*attention_, count);
  const std::vector<std::int32_t> ids = known_.ExpertIds(*attention_, count);
  const auto row_bytes = static_cast<std::int64_t>(rows.size() * sizeof(Bf16));
  const auto id_bytes = static_cast<std::int64_t>(ids.size() * sizeof(std::int32_t));
  const auto aligned_row_bytes =
      (row_bytes + ArenaCarver::kAlignment - 1) / ArenaCarver::kAlignment * ArenaCarver::kAlignment;
  constexpr const char* kWhat = "the rows of the bench";
  ASSIGN_OR_RETURN(memory_, GpuMemory::Allocate(parts_.gpu, GpuMemory::Place::kDevice,
                                                aligned_row_bytes + id_bytes, kWhat));
  std::byte* const on_device = memory_.data();
  const DeviceStream stream = stream_.handle();
  RETURN_IF_ERROR(ToStatus(parts_.gpu.CopyIn(stream, on_device, rows.data(), row_bytes), kWhat));
  RETURN_IF_ERROR(ToStatus(
      parts_.gpu.CopyIn(stream, on_device + aligned_row_bytes, ids.data(), id_bytes), kWhat));
  rows_ = {.rows = reinterpret_cast<const Bf16*>(on_device),
           .expert_ids = reinterpret_cast<const std::int32_t*>(on_device + aligned_row_bytes)};
  return stream_.Synchronize();
}

absl::StatusOr<Runner::Pattern> Runner::MakeExchange(const ExchangeCase& of) {
  if (!attention_.has_value()) {
    auto served = std::make_unique<ServedPattern>(ServedPattern::Parts{.exchange = *exchange_,
                                                                       .conductor = conductor_,
                                                                       .communicator = *log_,
                                                                       .form = of.form,
                                                                       .rows = of.rows});
    RETURN_IF_ERROR(served->Step(Detail::kHalves));
    RETURN_IF_ERROR(CheckArrivals(of, nullptr));
    return served;
  }
  DeviceDispatch rows = rows_;
  rows.tokens = of.rows;
  auto sent = std::make_unique<ExchangePattern>(ExchangePattern::Parts{.stream = stream_,
                                                                       .clock = *clock_,
                                                                       .exchange = *exchange_,
                                                                       .host = host_.get(),
                                                                       .form = of.form,
                                                                       .rows = rows});
  RETURN_IF_ERROR(sent->Step(Detail::kHalves));
  RETURN_IF_ERROR(CheckArrivals(of, sent.get()));
  return sent;
}

absl::Status Runner::CheckArrivals(const ExchangeCase& of, const ExchangePattern* sent) {
  const ArrivalCheck check = {.stream = stream_,
                              .model = parts_.model,
                              .layout = parts_.layout,
                              .known = known_,
                              .rows = of.rows};
  absl::Status status = absl::OkStatus();
  if (host_ != nullptr) status = CheckRows(check, host_->received(), rank_);
  if (status.ok() && sent != nullptr) status = CheckOutputs(check, sent->outputs(), *attention_);
  // Whoever went on alone would wait for the others for ever.
  ASSIGN_OR_RETURN(const std::vector<std::int64_t> wrong, tally_->Gather(status.ok() ? 0 : 1));
  RETURN_IF_ERROR(status);
  const auto first = std::find(wrong.begin(), wrong.end(), 1);
  if (first == wrong.end()) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("something has arrived wrong at rank ", first - wrong.begin()));
}

Runner::Pattern Runner::MakeMessages(const ExchangeCase& of, LoggedGroup rows,
                                     LoggedGroup outputs) {
  return std::make_unique<MessagePattern>(
      MessagePattern::Parts{.stream = stream_,
                            .clock = *clock_,
                            .communicator = *parts_.communicator,
                            .form = of.form,
                            .rows = std::move(rows),
                            .outputs = std::move(outputs)});
}

absl::StatusOr<std::int64_t> Runner::AllToAllMessage(const LoggedGroup& group) {
  ASSIGN_OR_RETURN(const std::vector<std::int64_t> sent, tally_->Gather(BytesOf(group.sends)));
  const std::int64_t size = parts_.communicator->size();
  const std::int64_t total = std::accumulate(sent.begin(), sent.end(), std::int64_t{0});
  const std::int64_t units = size * size * kMessageAlignment;
  return (total + units - 1) / units * kMessageAlignment;
}

LoggedGroup Runner::AllToAll(std::int64_t bytes_of_message, std::byte* memory) const {
  LoggedGroup group;
  const int size = parts_.communicator->size();
  for (int peer = 0; peer < size; ++peer) {
    group.sends.push_back(
        {.peer = peer, .data = memory + peer * bytes_of_message, .bytes = bytes_of_message});
    group.receives.push_back({.peer = peer,
                              .data = memory + (size + peer) * bytes_of_message,
                              .bytes = bytes_of_message});
  }
  return group;
}

absl::StatusOr<CaseOfRank> Runner::Measure(const ExchangeCase& of) {
  ASSIGN_OR_RETURN(const Pattern exchange, MakeExchange(of));
  const LoggedGroup rows = log_->groups()[0];
  const LoggedGroup outputs = log_->groups()[1];
  const Pattern plain = MakeMessages(of, rows, outputs);
  ASSIGN_OR_RETURN(const std::int64_t row_message, AllToAllMessage(rows));
  ASSIGN_OR_RETURN(const std::int64_t output_message, AllToAllMessage(outputs));
  ASSIGN_OR_RETURN(
      const GpuMemory memory,
      GpuMemory::Allocate(parts_.gpu, GpuMemory::Place::kDevice,
                          2 * parts_.communicator->size() * std::max(row_message, output_message),
                          "an all-to-all"));
  const Pattern all_to_all = MakeMessages(of, AllToAll(row_message, memory.data()),
                                          AllToAll(output_message, memory.data()));
  CaseOfRank result{
      .of = of, .dispatch = BytesOf(rows, rank_), .combine = BytesOf(outputs, rank_), .ways = {}};
  const std::array<LayerPattern*, kWays> patterns = {exchange.get(), plain.get(), all_to_all.get()};
  for (int round = 0; round < options_.warmup + options_.rounds; ++round) {
    for (std::size_t way = 0; way < patterns.size(); ++way) {
      RETURN_IF_ERROR(Time(*patterns[way], result.ways[way], round >= options_.warmup));
    }
  }
  return result;
}

absl::Status Runner::Time(LayerPattern& pattern, WayTimes& times, bool counts) {
  const bool noted = counts && attention_.has_value();
  RETURN_IF_ERROR(pattern.Step(Detail::kHalves));
  if (noted) RETURN_IF_ERROR(clock_->ReadHalves(times.dispatch_s, times.combine_s));
  RETURN_IF_ERROR(pattern.Step(Detail::kLayers));
  if (!noted) return absl::OkStatus();
  ASSIGN_OR_RETURN(const double layer_s, clock_->ReadLayer());
  times.layer_s.push_back(layer_s);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<CaseOfRank>> MeasureExchange(
    const ExchangeBenchParts& parts, const ExchangeBenchOptions& options,
    const std::function<void(const std::string&)>& progress) {
  CHECK_GE(options.layers, 1);
  CHECK_GE(options.rounds, 1);
  ASSIGN_OR_RETURN(GpuStream stream, GpuStream::Create(parts.gpu));
  Runner runner(parts, options, std::move(stream));
  RETURN_IF_ERROR(runner.Prepare());
  std::vector<CaseOfRank> cases;
  for (const ExchangeCase& of : options.cases) {
    progress(NameOf(of));
    ASSIGN_OR_RETURN(CaseOfRank measured, runner.Measure(of));
    cases.push_back(std::move(measured));
  }
  return cases;
}

}  // namespace sextant::cli
