// Owners of what a GpuDriver gives, and its errors as absl's.
//
// Ownership: everything made of a driver is destroyed before it.
// Errors:    ResourceExhausted when memory is short, InvalidArgument for refused arguments,
//            Internal for the rest; `what` names what was asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/device/gpu_driver.h"

namespace sextant {

[[nodiscard]] absl::Status ToStatus(const DeviceStatus& status, absl::string_view what);

// Memory of the device, or pinned memory of the host.
class GpuMemory {
 public:
  enum class Place : std::uint8_t { kDevice, kPinnedHost };

  GpuMemory() = default;
  // No bytes are no memory: data() is null.
  [[nodiscard]] static absl::StatusOr<GpuMemory> Allocate(GpuDriver& gpu, Place place,
                                                          std::int64_t bytes,
                                                          absl::string_view what);
  ~GpuMemory() { Free(); }
  GpuMemory(GpuMemory&& other) noexcept { *this = std::move(other); }
  GpuMemory& operator=(GpuMemory&& other) noexcept;

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }

 private:
  void Free();

  GpuDriver* gpu_ = nullptr;
  Place place_ = Place::kDevice;
  std::byte* data_ = nullptr;
  std::int64_t bytes_ = 0;
};

// Waits at its end for what is on it, so that memory declared before it is not freed under work.
class GpuStream {
 public:
  [[nodiscard]] static absl::StatusOr<GpuStream> Create(GpuDriver& gpu);
  ~GpuStream();
  GpuStream(GpuStream&& other) noexcept;
  GpuStream& operator=(GpuStream&&) = delete;

  [[nodiscard]] GpuDriver& gpu() const { return *gpu_; }
  [[nodiscard]] DeviceStream handle() const { return stream_; }
  [[nodiscard]] absl::Status Synchronize() const;

 private:
  GpuStream(GpuDriver& gpu, DeviceStream stream) : gpu_(&gpu), stream_(stream) {}

  GpuDriver* gpu_;
  DeviceStream stream_;
};

class GpuEvent {
 public:
  [[nodiscard]] static absl::StatusOr<GpuEvent> Create(GpuDriver& gpu);
  ~GpuEvent();
  GpuEvent(GpuEvent&& other) noexcept;
  GpuEvent& operator=(GpuEvent&&) = delete;

  [[nodiscard]] DeviceEvent handle() const { return event_; }

 private:
  GpuEvent(GpuDriver& gpu, DeviceEvent event) : gpu_(&gpu), event_(event) {}

  GpuDriver* gpu_;
  DeviceEvent event_;
};

class GpuGraph {
 public:
  // Takes what EndCapture gave.
  GpuGraph(GpuDriver& gpu, DeviceGraph graph) : gpu_(&gpu), graph_(graph) {}
  ~GpuGraph();
  GpuGraph(GpuGraph&& other) noexcept;
  GpuGraph& operator=(GpuGraph&&) = delete;

  [[nodiscard]] DeviceGraph handle() const { return graph_; }

 private:
  GpuDriver* gpu_;
  DeviceGraph graph_;
};

// What `work` puts on the stream, as a graph. The capture is ended in any case, else the stream
// could not be used again. Errors: those of `work`, and of the capture, which is named by `what`.
[[nodiscard]] absl::StatusOr<GpuGraph> CaptureGraph(const GpuStream& stream, absl::string_view what,
                                                    absl::FunctionRef<absl::Status()> work);

}  // namespace sextant
