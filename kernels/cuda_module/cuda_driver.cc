#include "kernels/cuda_module/cuda_driver.h"

#include <cuda_runtime_api.h>

#include <sstream>
#include <string_view>

namespace sextant {
namespace {

// A refused call is also remembered as the thread's last error, where the next launch would find
// it.
DeviceStatus StatusOf(cudaError_t error) {
  if (error == cudaSuccess) return {};
  (void)cudaGetLastError();
  const DeviceError kind =
      error == cudaErrorMemoryAllocation ? DeviceError::kOutOfMemory : DeviceError::kDevice;
  return {kind, cudaGetErrorString(error)};
}

cudaStream_t Of(DeviceStream stream) { return static_cast<cudaStream_t>(stream.handle); }
cudaEvent_t Of(DeviceEvent event) { return static_cast<cudaEvent_t>(event.handle); }
cudaGraphExec_t Of(DeviceGraph graph) { return static_cast<cudaGraphExec_t>(graph.handle); }

class CudaDriver final : public GpuDriver {
 public:
  explicit CudaDriver(int device) : device_(device) {}

  DeviceStatus Describe(GpuInfo* info) override {
    RETURN_IF_DEVICE_FAILED(Enter());
    cudaDeviceProp properties;
    std::size_t free = 0;
    std::size_t total = 0;
    RETURN_IF_DEVICE_FAILED(StatusOf(cudaGetDeviceProperties(&properties, device_)));
    RETURN_IF_DEVICE_FAILED(StatusOf(cudaMemGetInfo(&free, &total)));
    *info = {.major = properties.major,
             .minor = properties.minor,
             .multiprocessors = properties.multiProcessorCount,
             .total_bytes = static_cast<std::int64_t>(total),
             .free_bytes = static_cast<std::int64_t>(free),
             .shared_bytes_per_multiprocessor =
                 static_cast<std::int64_t>(properties.sharedMemPerMultiprocessor)};
    std::string_view(properties.name).copy(info->name, sizeof(info->name) - 1);
    return {};
  }

  DeviceStatus Allocate(std::int64_t bytes, void** memory) override {
    if (bytes < 1) return kNoSize;
    RETURN_IF_DEVICE_FAILED(Enter());
    return StatusOf(cudaMalloc(memory, static_cast<std::size_t>(bytes)));
  }
  void Free(void* memory) override { Leave(cudaFree(memory)); }
  DeviceStatus AllocatePinned(std::int64_t bytes, void** memory) override {
    if (bytes < 1) return kNoSize;
    RETURN_IF_DEVICE_FAILED(Enter());
    return StatusOf(cudaHostAlloc(memory, static_cast<std::size_t>(bytes), cudaHostAllocDefault));
  }
  void FreePinned(void* memory) override { Leave(cudaFreeHost(memory)); }

  DeviceStatus CreateStream(DeviceStream* stream) override {
    RETURN_IF_DEVICE_FAILED(Enter());
    cudaStream_t created = nullptr;
    RETURN_IF_DEVICE_FAILED(StatusOf(cudaStreamCreateWithFlags(&created, cudaStreamNonBlocking)));
    stream->handle = created;
    return {};
  }
  void DestroyStream(DeviceStream stream) override { Leave(cudaStreamDestroy(Of(stream))); }
  DeviceStatus Synchronize(DeviceStream stream) override {
    RETURN_IF_DEVICE_FAILED(Enter());
    return StatusOf(cudaStreamSynchronize(Of(stream)));
  }

  DeviceStatus CopyIn(DeviceStream stream, void* to, const void* from,
                      std::int64_t bytes) override {
    return Copy(stream, to, from, bytes, cudaMemcpyHostToDevice);
  }
  DeviceStatus CopyOut(DeviceStream stream, void* to, const void* from,
                       std::int64_t bytes) override {
    return Copy(stream, to, from, bytes, cudaMemcpyDeviceToHost);
  }
  DeviceStatus CopyWithin(DeviceStream stream, void* to, const void* from,
                          std::int64_t bytes) override {
    return Copy(stream, to, from, bytes, cudaMemcpyDeviceToDevice);
  }
  DeviceStatus FillZeros(DeviceStream stream, void* to, std::int64_t bytes) override {
    if (bytes < 0) return kNoSize;
    RETURN_IF_DEVICE_FAILED(Enter());
    return StatusOf(cudaMemsetAsync(to, 0, static_cast<std::size_t>(bytes), Of(stream)));
  }

  DeviceStatus CreateEvent(DeviceEvent* event) override {
    RETURN_IF_DEVICE_FAILED(Enter());
    cudaEvent_t created = nullptr;
    RETURN_IF_DEVICE_FAILED(StatusOf(cudaEventCreate(&created)));
    event->handle = created;
    return {};
  }
  void DestroyEvent(DeviceEvent event) override { Leave(cudaEventDestroy(Of(event))); }
  DeviceStatus Record(DeviceStream stream, DeviceEvent event) override {
    RETURN_IF_DEVICE_FAILED(Enter());
    cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
    RETURN_IF_DEVICE_FAILED(StatusOf(cudaStreamIsCapturing(Of(stream), &capture)));
    // Else a captured event would only order the graph's nodes, and nobody could wait for it.
    const unsigned flags =
        capture == cudaStreamCaptureStatusNone ? cudaEventRecordDefault : cudaEventRecordExternal;
    return StatusOf(cudaEventRecordWithFlags(Of(event), Of(stream), flags));
  }
  DeviceStatus WaitFor(DeviceEvent event) override {
    RETURN_IF_DEVICE_FAILED(Enter());
    return StatusOf(cudaEventSynchronize(Of(event)));
  }
  DeviceStatus SecondsBetween(DeviceEvent begin, DeviceEvent end, double* seconds) override {
    RETURN_IF_DEVICE_FAILED(Enter());
    float milliseconds = 0.0F;
    RETURN_IF_DEVICE_FAILED(StatusOf(cudaEventElapsedTime(&milliseconds, Of(begin), Of(end))));
    *seconds = double{milliseconds} * 1e-3;
    return {};
  }

  DeviceStatus BeginCapture(DeviceStream stream) override {
    RETURN_IF_DEVICE_FAILED(Enter());
    return StatusOf(cudaStreamBeginCapture(Of(stream), cudaStreamCaptureModeThreadLocal));
  }
  DeviceStatus EndCapture(DeviceStream stream, DeviceGraph* graph) override {
    RETURN_IF_DEVICE_FAILED(Enter());
    cudaGraph_t captured = nullptr;
    RETURN_IF_DEVICE_FAILED(StatusOf(cudaStreamEndCapture(Of(stream), &captured)));
    cudaGraphExec_t executable = nullptr;
    const DeviceStatus status = StatusOf(cudaGraphInstantiate(&executable, captured, 0));
    (void)cudaGraphDestroy(captured);
    graph->handle = executable;
    return status;
  }
  DeviceStatus Launch(DeviceStream stream, DeviceGraph graph) override {
    RETURN_IF_DEVICE_FAILED(Enter());
    return StatusOf(cudaGraphLaunch(Of(graph), Of(stream)));
  }
  void DestroyGraph(DeviceGraph graph) override { Leave(cudaGraphExecDestroy(Of(graph))); }

 private:
  static constexpr DeviceStatus kNoSize = {DeviceError::kInvalidArgument,
                                           "a negative size, or an allocation of no bytes"};

  // Each thread has a GPU that its calls, and its launches of kernels, are of.
  DeviceStatus Enter() { return StatusOf(cudaSetDevice(device_)); }
  // What cannot be given back is lost with the process; what is wrong shows at the next call.
  static void Leave(cudaError_t error) { (void)StatusOf(error); }

  DeviceStatus Copy(DeviceStream stream, void* to, const void* from, std::int64_t bytes,
                    cudaMemcpyKind kind) {
    if (bytes < 0) return kNoSize;
    RETURN_IF_DEVICE_FAILED(Enter());
    return StatusOf(cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), kind, Of(stream)));
  }

  int device_;
};

// CUDA's version numbers: 13000 is 13.0.
void PrintVersion(std::ostream& out, int version) {
  out << version / 1000 << '.' << version % 1000 / 10;
}

void PrintWhyNoDriver(std::ostream& out) {
  int driver = 0;
  int runtime = 0;
  (void)StatusOf(cudaDriverGetVersion(&driver));
  (void)StatusOf(cudaRuntimeGetVersion(&runtime));
  if (driver == 0) {
    out << "no NVIDIA driver is installed";
    return;
  }
  out << "the NVIDIA driver knows CUDA ";
  PrintVersion(out, driver);
  out << ", and CUDA ";
  PrintVersion(out, runtime);
  out << " is needed";
}

// Empty: GPU number `device` can be used, which is counted from 0 then. Kernels are there for
// sm_80, which also runs on later 8.x, and sm_90.
std::string WhyNot(int& device) {
  std::ostringstream out;
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  (void)StatusOf(error);
  if (error == cudaErrorInsufficientDriver) {
    PrintWhyNoDriver(out);
    return out.str();
  }
  if (error == cudaErrorNoDevice || (error == cudaSuccess && count == 0)) {
    return "the NVIDIA driver shows no GPU (CUDA_VISIBLE_DEVICES hides those that it does not "
           "name)";
  }
  if (error != cudaSuccess) return cudaGetErrorString(error);
  if (device < -count || device >= count) {
    out << "there is no GPU number " << device << ": CUDA shows " << count
        << ", counted from 0, or from -1 downwards";
    return out.str();
  }
  if (device < 0) device += count;
  cudaDeviceProp properties;
  if (const DeviceStatus status = StatusOf(cudaGetDeviceProperties(&properties, device));
      !status.ok()) {
    return status.message;
  }
  if (properties.major == 8 || (properties.major == 9 && properties.minor == 0)) return {};
  out << "GPU " << device << " (" << properties.name << ") has compute capability "
      << properties.major << '.' << properties.minor
      << ", and there are kernels for 8.x (A100 and its like) and 9.0 (H100, H200)";
  return out.str();
}

}  // namespace

std::unique_ptr<GpuDriver> OpenCudaDriver(int device, std::string* problem) {
  *problem = WhyNot(device);
  if (!problem->empty()) return nullptr;
  auto driver = std::make_unique<CudaDriver>(device);
  // The first call that needs the GPU's context makes it: what fails, fails here.
  GpuInfo info;
  if (const DeviceStatus status = driver->Describe(&info); !status.ok()) {
    *problem = status.message;
    return nullptr;
  }
  return driver;
}

}  // namespace sextant
