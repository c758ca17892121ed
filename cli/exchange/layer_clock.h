// When the layers of a step, and their halves, are over on a stream.
//
// A step has one layer more than are timed: in the first one the ranks meet, whoever comes late.
// Moments may be captured in a graph.
//
// Threads:   the engine thread makes every call.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/device/gpu.h"

namespace sextant::cli {

// kLayers: nothing stands between the layers of a step. kHalves: moments in each layer, which cost
// some time themselves.
enum class Detail : std::uint8_t { kLayers, kHalves };

class LayerClock {
 public:
  // `stream` outlives the clock.
  [[nodiscard]] static absl::StatusOr<LayerClock> Create(const GpuStream& stream, int timed_layers);

  [[nodiscard]] int layers() const { return static_cast<int>(ends_.size()); }  // of a step

  // For what is put on the stream from now on.
  void Use(Detail detail) { detail_ = detail; }

  // Put these moments on the stream: rows have come to where their experts are; outputs have come
  // back. `layer` in [0, layers()).
  [[nodiscard]] absl::Status NoteRows(DeviceStream stream, int layer);
  [[nodiscard]] absl::Status NoteOutputs(DeviceStream stream, int layer);

  // Of a step that the stream has passed: seconds of each timed layer's halves, appended.
  [[nodiscard]] absl::Status ReadHalves(std::vector<double>& rows_s,
                                        std::vector<double>& outputs_s) const;
  // Seconds of a layer: the mean of the timed ones.
  [[nodiscard]] absl::StatusOr<double> ReadLayer() const;

 private:
  explicit LayerClock(const GpuStream& stream) : stream_(&stream) {}
  [[nodiscard]] absl::Status Record(DeviceStream stream, const GpuEvent& event);
  [[nodiscard]] absl::StatusOr<double> Between(const GpuEvent& begin, const GpuEvent& end) const;

  const GpuStream* stream_;
  Detail detail_ = Detail::kHalves;
  std::vector<GpuEvent> rows_;  // [layers]
  std::vector<GpuEvent> ends_;  // [layers]
};

}  // namespace sextant::cli
