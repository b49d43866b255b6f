// Queues of a GPU: CUDA streams and events, pinned memory for copies beside the caller.
#include "kernels/device_queue.h"

#include <mutex>
#include <vector>

#include "kernels/cuda_entry.h"
#include "kernels/cuda_memory.h"
#include "kernels/integer_sum_program.h"
#include "kernels/secret.h"

namespace hilum::kernels::cuda {
namespace {

class CudaQueues final : public DeviceQueues {
 public:
  explicit CudaQueues(int device_index) : device_index_(device_index) {}
  ~CudaQueues() override {
    if (!Use().ok()) return;
    for (const cudaStream_t stream : streams_) cudaStreamDestroy(stream);
    for (const cudaEvent_t event : events_) cudaEventDestroy(event);
  }
  absl::Status MakeStreams(int n_queues) {
    HILUM_RETURN_IF_ERROR(Use());
    for (int i = 0; i < n_queues; ++i) {
      cudaStream_t stream = nullptr;
      HILUM_RETURN_IF_ERROR(
          FromCuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "make a stream"));
      streams_.push_back(stream);
    }
    return absl::OkStatus();
  }

  Device device() const override { return Device(Device::kCuda, device_index_); }
  int n_queues() const override { return static_cast<int>(streams_.size()); }

  absl::Status CopyToDevice(int queue, const void* pinned, void* there, size_t bytes) override {
    HILUM_RETURN_IF_ERROR(Use());
    return FromCuda(cudaMemcpyAsync(there, pinned, bytes, cudaMemcpyHostToDevice, At(queue)),
                    "copy to the GPU");
  }
  absl::Status CopyFromDevice(int queue, const void* there, void* pinned, size_t bytes) override {
    HILUM_RETURN_IF_ERROR(Use());
    return FromCuda(cudaMemcpyAsync(pinned, there, bytes, cudaMemcpyDeviceToHost, At(queue)),
                    "copy from the GPU");
  }
  absl::Status AddWords(int queue, const uint32_t* words, uint64_t* total, int64_t n,
                        int sign) override {
    HILUM_RETURN_IF_ERROR(Use());
    return sign > 0 ? Sum(queue, IntegerSumProgram<1>{.words = words, .total = total, .n = n})
                    : Sum(queue, IntegerSumProgram<-1>{.words = words, .total = total, .n = n});
  }

  absl::StatusOr<int> NewEvent() override {
    HILUM_RETURN_IF_ERROR(Use());
    cudaEvent_t event = nullptr;
    HILUM_RETURN_IF_ERROR(
        FromCuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "make an event"));
    std::lock_guard lock(mutex_);
    events_.push_back(event);
    return static_cast<int>(events_.size()) - 1;
  }
  absl::Status Record(int queue, int event) override {
    HILUM_RETURN_IF_ERROR(Use());
    return FromCuda(cudaEventRecord(EventAt(event), At(queue)), "record an event");
  }
  absl::Status Wait(int event) override {
    HILUM_RETURN_IF_ERROR(Use());
    return FromCuda(cudaEventSynchronize(EventAt(event)), "finish a copy and its sum");
  }
  absl::Status Finish() override {
    HILUM_RETURN_IF_ERROR(Use());
    for (const cudaStream_t stream : streams_) {
      HILUM_RETURN_IF_ERROR(FromCuda(cudaStreamSynchronize(stream), "finish its queues"));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Use() const { return UseDevice(device_index_); }  // of the calling thread
  cudaStream_t At(int queue) const { return streams_[static_cast<size_t>(queue)]; }
  cudaEvent_t EventAt(int event) {
    std::lock_guard lock(mutex_);
    return events_[static_cast<size_t>(event)];
  }
  template <class Program>
  absl::Status Sum(int queue, const Program& program) const {
    return FromCuda(Launch(At(queue), program, BlocksFor(program.n, Program::kTile)),
                    "start IntegerSum");
  }

  absl::StatusOr<void*> Reserve(Place place, size_t bytes) override {
    HILUM_RETURN_IF_ERROR(Use());
    void* memory = nullptr;
    const bool pinned = place == Place::kPinned;
    const cudaError_t error =
        pinned ? cudaHostAlloc(&memory, bytes, cudaHostAllocDefault) : cudaMalloc(&memory, bytes);
    if (error != cudaSuccess) {
      cudaGetLastError();  // a refusal is not an error of the next call
      return FromCuda(error, absl::StrCat("reserve ", bytes, pinned ? " pinned" : "", " bytes"));
    }
    const absl::Status zeroed = Zero(place, memory, bytes);
    if (zeroed.ok()) return memory;
    GiveBack(place, memory, bytes);
    return zeroed;
  }
  // The default stream's order is not that of the queues: waits before they use the memory.
  static absl::Status Zero(Place place, void* memory, size_t bytes) {
    if (place == Place::kPinned) {
      Wipe({static_cast<uint8_t*>(memory), bytes});
      return absl::OkStatus();
    }
    HILUM_RETURN_IF_ERROR(FromCuda(cudaMemset(memory, 0, bytes), "clear memory"));
    return FromCuda(cudaDeviceSynchronize(), "clear memory");
  }
  void Clear(Place place, void* memory, size_t bytes) override {
    // A device that is lost has nothing left to clear.
    if (place == Place::kPinned || Use().ok()) Zero(place, memory, bytes).IgnoreError();
  }
  void GiveBack(Place place, void* memory, size_t) override {
    if (!Use().ok()) return;
    place == Place::kPinned ? cudaFreeHost(memory) : cudaFree(memory);
  }

  const int device_index_;
  std::vector<cudaStream_t> streams_;
  std::mutex mutex_;
  std::vector<cudaEvent_t> events_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<DeviceQueues>> MakeQueues(int device_index, int n_queues) {
  auto queues = std::make_unique<CudaQueues>(device_index);
  HILUM_RETURN_IF_ERROR(queues->MakeStreams(n_queues));
  return queues;
}

}  // namespace hilum::kernels::cuda
