#include "common/device/gpu.h"

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace sextant {

absl::Status ToStatus(const DeviceStatus& status, absl::string_view what) {
  if (status.ok()) return absl::OkStatus();
  const std::string message = absl::StrCat(what, ": ", status.message);
  switch (status.error) {
    case DeviceError::kOutOfMemory:
      return absl::ResourceExhaustedError(message);
    case DeviceError::kInvalidArgument:
      return absl::InvalidArgumentError(message);
    default:
      return absl::InternalError(message);
  }
}

absl::StatusOr<GpuMemory> GpuMemory::Allocate(GpuDriver& gpu, Place place, std::int64_t bytes,
                                              absl::string_view what) {
  GpuMemory memory;
  if (bytes == 0) return memory;
  void* data = nullptr;
  const DeviceStatus status =
      place == Place::kDevice ? gpu.Allocate(bytes, &data) : gpu.AllocatePinned(bytes, &data);
  if (!status.ok()) return ToStatus(status, absl::StrCat(what, " (", bytes, " bytes)"));
  memory.gpu_ = &gpu;
  memory.place_ = place;
  memory.data_ = static_cast<std::byte*>(data);
  memory.bytes_ = bytes;
  return memory;
}

GpuMemory& GpuMemory::operator=(GpuMemory&& other) noexcept {
  if (this == &other) return *this;
  Free();
  gpu_ = std::exchange(other.gpu_, nullptr);
  place_ = other.place_;
  data_ = std::exchange(other.data_, nullptr);
  bytes_ = std::exchange(other.bytes_, 0);
  return *this;
}

void GpuMemory::Free() {
  if (data_ == nullptr) return;
  if (place_ == Place::kDevice) {
    gpu_->Free(data_);
  } else {
    gpu_->FreePinned(data_);
  }
}

absl::StatusOr<GpuStream> GpuStream::Create(GpuDriver& gpu) {
  DeviceStream stream;
  if (const DeviceStatus status = gpu.CreateStream(&stream); !status.ok()) {
    return ToStatus(status, "a stream");
  }
  return GpuStream(gpu, stream);
}

GpuStream::GpuStream(GpuStream&& other) noexcept
    : gpu_(std::exchange(other.gpu_, nullptr)), stream_(other.stream_) {}

GpuStream::~GpuStream() {
  if (gpu_ == nullptr) return;
  (void)gpu_->Synchronize(stream_);
  gpu_->DestroyStream(stream_);
}

absl::Status GpuStream::Synchronize() const {
  return ToStatus(gpu_->Synchronize(stream_), "waiting for the GPU");
}

absl::StatusOr<GpuEvent> GpuEvent::Create(GpuDriver& gpu) {
  DeviceEvent event;
  if (const DeviceStatus status = gpu.CreateEvent(&event); !status.ok()) {
    return ToStatus(status, "an event");
  }
  return GpuEvent(gpu, event);
}

GpuEvent::GpuEvent(GpuEvent&& other) noexcept
    : gpu_(std::exchange(other.gpu_, nullptr)), event_(other.event_) {}

GpuEvent::~GpuEvent() {
  if (gpu_ != nullptr) gpu_->DestroyEvent(event_);
}

GpuGraph::GpuGraph(GpuGraph&& other) noexcept
    : gpu_(std::exchange(other.gpu_, nullptr)), graph_(other.graph_) {}

GpuGraph::~GpuGraph() {
  if (gpu_ != nullptr) gpu_->DestroyGraph(graph_);
}

absl::StatusOr<GpuGraph> CaptureGraph(const GpuStream& stream, absl::string_view what,
                                      absl::FunctionRef<absl::Status()> work) {
  GpuDriver& gpu = stream.gpu();
  RETURN_IF_ERROR(ToStatus(gpu.BeginCapture(stream.handle()), what));
  const absl::Status worked = work();
  DeviceGraph captured;
  const DeviceStatus ended = gpu.EndCapture(stream.handle(), &captured);
  if (!ended.ok()) {
    RETURN_IF_ERROR(worked);
    return ToStatus(ended, what);
  }
  GpuGraph graph(gpu, captured);
  RETURN_IF_ERROR(worked);
  return graph;
}

}  // namespace sextant
