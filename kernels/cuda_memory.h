// Memory of a GPU, and CUDA's errors as Status. For .cu files only.
#ifndef HILUM_KERNELS_CUDA_MEMORY_H_
#define HILUM_KERNELS_CUDA_MEMORY_H_

#include <cuda_runtime_api.h>

#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::kernels::cuda {

// ResourceExhausted: the GPU's memory is full. Unavailable: any other CUDA error.
inline absl::Status FromCuda(cudaError_t error, absl::string_view what) {
  if (error == cudaSuccess) return absl::OkStatus();
  const std::string sentence =
      absl::StrCat("CUDA could not ", what, ": ", cudaGetErrorString(error));
  return error == cudaErrorMemoryAllocation ? absl::ResourceExhaustedError(sentence)
                                            : absl::UnavailableError(sentence);
}

// One stream for each calling thread: callers do not wait for one another.
inline cudaStream_t Stream() { return cudaStreamPerThread; }

// n values of T in the current GPU's memory; cleared at the end, as they may be keys or an update.
// Movable only.
template <class T>
class DeviceArray {
 public:
  static absl::StatusOr<DeviceArray> Create(size_t n) {
    DeviceArray array;
    if (n > 0) {
      HILUM_RETURN_IF_ERROR(FromCuda(cudaMallocAsync(&array.data_, n * sizeof(T), Stream()),
                                     absl::StrCat("reserve ", n * sizeof(T), " bytes")));
    }
    array.n_ = n;
    return array;
  }
  static absl::StatusOr<DeviceArray> CopyOf(std::span<const std::remove_const_t<T>> values) {
    HILUM_ASSIGN_OR_RETURN(DeviceArray array, Create(values.size()));
    HILUM_RETURN_IF_ERROR(FromCuda(cudaMemcpyAsync(array.data_, values.data(), values.size_bytes(),
                                                   cudaMemcpyHostToDevice, Stream()),
                                   "copy to the GPU"));
    return array;
  }
  DeviceArray(DeviceArray&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), n_(std::exchange(other.n_, 0)) {}
  DeviceArray& operator=(DeviceArray&&) = delete;
  ~DeviceArray() {
    if (data_ == nullptr) return;
    cudaMemsetAsync(const_cast<std::remove_const_t<T>*>(data_), 0, n_ * sizeof(T), Stream());
    cudaFreeAsync(data_, Stream());
  }

  T* data() const { return data_; }
  // Waits for the stream, so kernel errors show here too.
  absl::Status CopyTo(std::span<T> values) const {
    HILUM_RETURN_IF_ERROR(FromCuda(
        cudaMemcpyAsync(values.data(), data_, n_ * sizeof(T), cudaMemcpyDeviceToHost, Stream()),
        "copy from the GPU"));
    return FromCuda(cudaStreamSynchronize(Stream()), "finish a kernel");
  }

 private:
  DeviceArray() = default;
  T* data_ = nullptr;
  size_t n_ = 0;
};

inline absl::Status UseDevice(int device_index) {
  return FromCuda(cudaSetDevice(device_index), absl::StrCat("use GPU ", device_index));
}

}  // namespace hilum::kernels::cuda

#endif  // HILUM_KERNELS_CUDA_MEMORY_H_
