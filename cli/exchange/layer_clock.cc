#include "cli/exchange/layer_clock.h"

#include <utility>

#include "common/base/check.h"
#include "common/base/status.h"

namespace sextant::cli {
namespace {

constexpr const char* kTimes = "the time of a layer";

}  // namespace

absl::StatusOr<LayerClock> LayerClock::Create(const GpuStream& stream, int timed_layers) {
  CHECK_GE(timed_layers, 1);
  LayerClock clock(stream);
  for (int layer = 0; layer <= timed_layers; ++layer) {
    for (std::vector<GpuEvent>* moments : {&clock.rows_, &clock.ends_}) {
      ASSIGN_OR_RETURN(GpuEvent event, GpuEvent::Create(stream.gpu()));
      moments->push_back(std::move(event));
    }
  }
  return clock;
}

absl::Status LayerClock::Record(DeviceStream stream, const GpuEvent& event) {
  return ToStatus(stream_->gpu().Record(stream, event.handle()), kTimes);
}

absl::Status LayerClock::NoteRows(DeviceStream stream, int layer) {
  if (detail_ == Detail::kLayers) return absl::OkStatus();
  return Record(stream, rows_[static_cast<std::size_t>(layer)]);
}

absl::Status LayerClock::NoteOutputs(DeviceStream stream, int layer) {
  const bool between = layer > 0 && layer + 1 < layers();
  if (detail_ == Detail::kLayers && between) return absl::OkStatus();
  return Record(stream, ends_[static_cast<std::size_t>(layer)]);
}

absl::StatusOr<double> LayerClock::Between(const GpuEvent& begin, const GpuEvent& end) const {
  double seconds = 0;
  RETURN_IF_ERROR(
      ToStatus(stream_->gpu().SecondsBetween(begin.handle(), end.handle(), &seconds), kTimes));
  return seconds;
}

absl::Status LayerClock::ReadHalves(std::vector<double>& rows_s,
                                    std::vector<double>& outputs_s) const {
  for (std::size_t layer = 1; layer < ends_.size(); ++layer) {
    ASSIGN_OR_RETURN(const double rows, Between(ends_[layer - 1], rows_[layer]));
    ASSIGN_OR_RETURN(const double outputs, Between(rows_[layer], ends_[layer]));
    rows_s.push_back(rows);
    outputs_s.push_back(outputs);
  }
  return absl::OkStatus();
}

absl::StatusOr<double> LayerClock::ReadLayer() const {
  ASSIGN_OR_RETURN(const double seconds, Between(ends_.front(), ends_.back()));
  return seconds / static_cast<double>(layers() - 1);
}

}  // namespace sextant::cli
